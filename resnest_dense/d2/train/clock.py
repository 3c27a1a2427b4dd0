"""Where the time of an evaluation goes: the network, what follows it on each image, the metrics."""

import contextlib
import functools
import logging
import time
from collections.abc import Iterator

import torch
from detectron2.evaluation import DatasetEvaluator
from detectron2.modeling import test_time_augmentation
from detectron2.modeling.meta_arch import dense_detector, panoptic_fpn, rcnn, semantic_seg
from detectron2.utils import comm

__all__ = ["EvaluationClock"]

_logger = logging.getLogger(__name__)

# What detectron2's models do after their last layer: boxes and masks brought to the image's size.
_POSTPROCESSING = {
    rcnn: ("detector_postprocess",),
    dense_detector: ("detector_postprocess",),
    semantic_seg: ("sem_seg_postprocess",),
    panoptic_fpn: ("detector_postprocess", "sem_seg_postprocess",
                   "combine_semantic_and_instance_outputs"),
    test_time_augmentation: ("detector_postprocess",),
}
_WARM_UP = 5  # batches that are slower than the rest, as in detectron2's own figures


class EvaluationClock(DatasetEvaluator):
    """An evaluator that measures another one and the model, and tells at the end of an evaluation.

    Args:
        evaluator: gets what the model finds.
        name: of the data set.

    ``callbacks`` go to detectron2's ``inference_on_dataset``, inside :meth:`running`.
    """

    def __init__(self, evaluator: DatasetEvaluator, name: str):
        self.evaluator = evaluator
        self.name = name
        self.callbacks = {"before_inference": self._start, "after_inference": self._stop}
        self._batches = []  # seconds of the network, seconds after it, images
        self._inside = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Inside: the post-processing within detectron2's models is measured."""
        stock = [(module, name, getattr(module, name))
                 for module, names in _POSTPROCESSING.items() for name in names]
        for module, name, function in stock:
            setattr(module, name, self._timed(function))
        try:
            yield
        finally:
            for module, name, function in stock:
                setattr(module, name, function)

    def reset(self) -> None:
        self._batches.clear()
        self.evaluator.reset()

    def process(self, inputs: list, outputs: list) -> None:
        start = _now()
        self.evaluator.process(inputs, outputs)
        self._batches.append((self._whole - self._inside, self._inside + _now() - start,
                              len(inputs)))

    def evaluate(self) -> dict | None:
        start = _now()
        results = self.evaluator.evaluate()
        if comm.is_main_process():
            _logger.info("%s", self.summary(_now() - start))
        return results

    def summary(self, metrics: float) -> str:
        """One line: seconds an image of the network and after it, and seconds of the metrics.

        Args:
            metrics: seconds that these took.
        """
        measured = self._batches[min(_WARM_UP, len(self._batches) - 1):]
        images = sum(batch[2] for batch in measured)
        network, after = (sum(batch[i] for batch in measured) / images for i in (0, 1))
        every = sum(batch[2] for batch in self._batches)
        share = (after + metrics / every) / (network + after + metrics / every)
        return (f"Evaluation of {self.name}: network {network:.4f} s/img, post-processing "
                f"{after:.4f} s/img, metrics {metrics:.1f} s for {every} images; {share:.0%} of "
                "the time is not the network's.")

    def _start(self):
        self._inside = 0.0
        self._started = _now()

    def _stop(self):
        self._whole = _now() - self._started

    def _timed(self, function):
        @functools.wraps(function)
        def timed(*args, **kwargs):
            start = _now()
            result = function(*args, **kwargs)
            self._inside += _now() - start
            return result
        return timed


def _now():
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # work is only queued there
    return time.perf_counter()
