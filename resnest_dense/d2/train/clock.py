"""Where the time of an evaluation goes: the network, what follows it on each image, the metrics."""

import logging
import time
from collections.abc import Iterator

import torch
from detectron2.evaluation import DatasetEvaluator, inference_on_dataset
from detectron2.utils import comm
from torch import nn
from torch.utils.data import DataLoader

from resnest_dense.weights.matching import bare_model

__all__ = ["EvaluationClock"]

_logger = logging.getLogger(__name__)

_WARM_UP = 5  # batches that are slower than the rest, as in detectron2's own figures


class EvaluationClock(DatasetEvaluator):
    """An evaluator that measures another one and the model, and tells at the end of an evaluation.

    detectron2 itself tells the time of the whole model, whose masks are brought to the image's size
    by its last lines. Here the network ends where the last of its parts does.

    Args:
        evaluator: gets what the model finds.
        name: of the data set.
    """

    def __init__(self, evaluator: DatasetEvaluator, name: str):
        self.evaluator = evaluator
        self.name = name
        self._batches: list[tuple[float, float, int]] = []  # seconds of network and rest, images
        self._network_end: float | None = None

    def run(self, model: nn.Module, loader: DataLoader) -> dict:
        """The metrics of a detector (with test-time augmentation or without) on all batches."""
        hooks = [part.register_forward_hook(self._end_part) for part in _parts(model)]
        try:
            return inference_on_dataset(model, loader, self, {"before_inference": self._start})
        finally:
            for hook in hooks:
                hook.remove()

    def reset(self) -> None:
        self._batches.clear()
        self.evaluator.reset()

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        network_end = self._network_end or _now()
        self.evaluator.process(inputs, outputs)
        self._batches.append((network_end - self._started, _now() - network_end, len(inputs)))

    def evaluate(self) -> dict | None:
        start = _now()
        results = self.evaluator.evaluate()
        if comm.is_main_process():
            self._log(_now() - start)
        return results

    def _log(self, metrics: float) -> None:
        """One line: seconds an image of the network and after it, and seconds of the metrics."""
        measured = self._batches[min(_WARM_UP, len(self._batches) - 1):]
        images = sum(batch[2] for batch in measured)
        network, after = (sum(batch[i] for batch in measured) / images for i in (0, 1))
        every = sum(batch[2] for batch in self._batches)
        share = (after + metrics / every) / (network + after + metrics / every)
        _logger.info(
            f"Evaluation of {self.name}: network {network:.4f} s/img, post-processing {after:.4f} "
            f"s/img, metrics {metrics:.1f} s for {every} images; {share:.0%} of the time is not "
            "the network's.")

    def _start(self) -> None:
        self._network_end = None
        self._started = _now()

    def _end_part(self, *_: object) -> None:
        self._network_end = _now()


def _parts(model: nn.Module) -> Iterator[nn.Module]:
    """The backbone, the heads and their parts: test-time augmentation calls the mask head alone."""
    model = bare_model(model)
    detector = getattr(model, "model", model)  # inside of test-time augmentation
    yield from detector.children()
    yield from getattr(detector, "roi_heads", nn.Module()).children()


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # work is only queued there
    return time.perf_counter()
