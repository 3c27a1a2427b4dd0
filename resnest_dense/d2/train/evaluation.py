"""How a detector is measured: by which metrics, with which augmentation, and in what time."""

import logging
import time
from collections.abc import Iterator

import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.evaluation import (
    COCOPanopticEvaluator,
    DatasetEvaluator,
    DatasetEvaluators,
    inference_on_dataset,
)
from detectron2.modeling import GeneralizedRCNN, GeneralizedRCNNWithTTA
from detectron2.modeling.meta_arch import META_ARCH_REGISTRY
from detectron2.utils import comm
from torch import nn
from torch.utils.data import DataLoader

from resnest_dense.d2.classes import Classes
from resnest_dense.d2.train.coverage import StatedCOCOEvaluator, StatedSemSegEvaluator
from resnest_dense.d2.train.reordered import reorder_classes
from resnest_dense.errors import ResNeStValueError
from resnest_dense.training.processes.watch import current_watch
from resnest_dense.weights.matching import bare_model

__all__ = ["EvaluationClock", "build_evaluator", "build_tta_model", "check_tta"]

_logger = logging.getLogger(__name__)
_WARM_UP = 5  # batches that are slower than the rest, as in detectron2's own figures


def build_evaluator(cfg: CfgNode, dataset_name: str, output_folder: str,
                    trained: Classes | None = None, *,
                    instances: bool = False) -> DatasetEvaluator:
    """The metrics of a registered data set, predictions written to ``output_folder``: COCO's for
    boxes, masks and keypoints, mean IoU for semantic labels, all of these with panoptic quality for
    panoptic sets.

    Args:
        cfg: of the model.
        dataset_name: of the set.
        output_folder: gets the predictions.
        trained: the model's classes, which may be in another order; None where they are not known.
        instances: COCO's metrics alone.

    Raises:
        ResNeStValueError: a data set of another kind, or of other classes.
    """
    kind = MetadataCatalog.get(dataset_name).get("evaluator_type")
    if kind not in ("coco", "sem_seg", "coco_panoptic_seg"):
        raise ResNeStValueError(
            f"DATASETS.TEST: no evaluator for {dataset_name!r} of kind {kind!r}; use a set of kind "
            "coco, sem_seg or coco_panoptic_seg (evaluator_type in its metadata).")
    parts: list[DatasetEvaluator] = []
    if kind != "coco" and not instances:
        parts.append(StatedSemSegEvaluator(dataset_name, output_folder))
    if kind != "sem_seg" or instances:
        parts.append(StatedCOCOEvaluator(cfg, dataset_name, output_folder))
    if kind == "coco_panoptic_seg" and not instances:
        parts.append(COCOPanopticEvaluator(dataset_name, output_folder))
    whole = parts[0] if len(parts) == 1 else DatasetEvaluators(parts)
    return reorder_classes(whole, trained, dataset_name)


def check_tta(cfg: CfgNode) -> None:
    """Refuses a config that asks for an augmentation which detectron2 does not define.

    Raises:
        ResNeStValueError: ``TEST.AUG.ENABLED`` with a detector that is no R-CNN, or that predicts
            keypoints or takes precomputed proposals.
    """
    if not cfg.TEST.AUG.ENABLED:
        return
    architecture = cfg.MODEL.META_ARCHITECTURE
    obstacle = "MODEL.LOAD_PROPOSALS is True" if cfg.MODEL.LOAD_PROPOSALS else ""
    if cfg.MODEL.KEYPOINT_ON:
        obstacle = "MODEL.KEYPOINT_ON is True"
    if not issubclass(META_ARCH_REGISTRY.get(architecture), GeneralizedRCNN):
        obstacle = f"MODEL.META_ARCHITECTURE {architecture} is no R-CNN"
    if obstacle:
        raise ResNeStValueError(
            f"TEST.AUG.ENABLED is True, but {obstacle}: test-time augmentation is defined for "
            "boxes and masks of an R-CNN only. Set TEST.AUG.ENABLED False.")


def build_tta_model(cfg: CfgNode, model: nn.Module) -> nn.Module:
    """The detector of a config that :func:`check_tta` lets pass with test-time augmentation
    (``TEST.AUG``: boxes and masks merged over scales and mirror images), on the same weights.

    Panoptic FPN has none for its semantic and panoptic outputs (docs/recipes.md 3.7): its boxes and
    masks alone are augmented.
    """
    model = bare_model(model)
    if type(model) is not GeneralizedRCNN:
        _logger.info("TEST.AUG: %s has test-time augmentation for its boxes and masks alone; its "
                     "other metrics are those without.", type(model).__name__)
        model = GeneralizedRCNN(
            backbone=model.backbone, proposal_generator=model.proposal_generator,
            roi_heads=model.roi_heads, pixel_mean=model.pixel_mean.flatten().tolist(),
            pixel_std=model.pixel_std.flatten().tolist(), input_format=model.input_format,
        ).to(model.device)
    return GeneralizedRCNNWithTTA(cfg, model)


class EvaluationClock(DatasetEvaluator):
    """An evaluator that measures another one, on the data set ``name``, and the model: at the end
    it logs where the time went, to the network, to what follows it on each image, to the metrics.

    detectron2 itself tells the time of the whole model, whose masks are brought to the image's size
    by its last lines. Here the network ends where the last of its parts does.
    """

    def __init__(self, evaluator: DatasetEvaluator, name: str):
        self.evaluator = evaluator
        self.name = name
        self._batches: list[tuple[float, float, int]] = []  # seconds of network and rest, images
        self._network_end: float | None = None

    def run(self, model: nn.Module, loader: DataLoader) -> dict:
        """The metrics of a detector (with test-time augmentation or without) on all batches."""
        hooks = [part.register_forward_hook(self._end_part) for part in _parts(model)]
        self._count = len(loader)
        try:
            return inference_on_dataset(model, loader, self, {"before_inference": self._start})
        finally:
            for hook in hooks:
                hook.remove()

    def reset(self) -> None:
        self._batches.clear()
        self.evaluator.reset()
        current_watch().evaluates(0, self._count)

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        network_end = self._network_end or _now()
        self.evaluator.process(inputs, outputs)
        self._batches.append((network_end - self._started, _now() - network_end, len(inputs)))
        current_watch().evaluates(len(self._batches), self._count)

    def evaluate(self) -> dict | None:
        start = _now()
        results = self.evaluator.evaluate()
        metrics = _now() - start
        if not comm.is_main_process():
            return results
        measured = self._batches[min(_WARM_UP, len(self._batches) - 1):]
        images = sum(batch[2] for batch in measured)
        network, after = (sum(batch[i] for batch in measured) / images for i in (0, 1))
        every = sum(batch[2] for batch in self._batches)
        share = (after + metrics / every) / (network + after + metrics / every)
        _logger.info(f"Evaluation of {self.name}: network {network:.4f} s/img, post-processing "
                     f"{after:.4f} s/img, metrics {metrics:.1f} s for {every} images; {share:.0%} "
                     "of the time is not the network's.")
        return results

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
