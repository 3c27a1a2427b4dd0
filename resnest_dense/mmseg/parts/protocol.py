"""How the published segmentation results were measured (docs/recipes.md 4.4)."""

import inspect
import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense.data.labels.scores import describe_coverage, score_areas
from resnest_dense.errors import ResNeStValueError
from resnest_dense.mmseg.registry import METRICS, MODELS

__all__ = ["PublishedProtocol", "SegmentationMetric"]


@MODELS.register_module()
class PublishedProtocol(BaseTTAModel):
    """Sliding windows at six scales with flip, exponentials of the logits summed.

    As PyTorch-Encoding does it: the image is resized so that its longer side is
    ``base_size * scale``, windows start every two thirds of a window, those that reach beyond the
    image are padded with black, and of each window exp(logits + logits of the flipped window) is
    averaged where windows overlap and summed over scales. Use it as ``tta_model``, with images in
    their own size (a ``tta_pipeline`` that does not resize).

    Args:
        module: the segmentor, built or as a config.
        base_size: longer side of the image at scale 1, in pixels.
        crop_size: side of a window, in pixels.
        scales: of the image.
        data_preprocessor: what mmengine's runner passes; not used, the segmentor has its own.
    """

    def __init__(self, module: nn.Module | dict, base_size: int = 520, crop_size: int = 480,
                 scales: Sequence[float] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75),
                 data_preprocessor: dict | None = None):
        super().__init__(module)
        if crop_size < 2 or base_size < 2 or not scales:
            raise ResNeStValueError(
                f"base_size={base_size}, crop_size={crop_size}, scales={scales}: both sizes must "
                "be at least 2 pixels and there must be a scale.")
        self.base_size, self.crop_size, self.scales = base_size, crop_size, tuple(scales)
        self.stride = int(crop_size * 2 / 3)

    @torch.no_grad()
    def test_step(self, data: dict) -> list:
        """The samples of ``data`` with their ``pred_sem_seg``."""
        data = self.module.data_preprocessor(data, False)
        for image, sample in zip(data["inputs"], data["data_samples"]):
            scores = self.score(image[None])
            size = sample.ori_shape
            if scores.shape[2:] != tuple(size):
                raise ResNeStValueError(
                    f"{sample.img_path}: the image is {tuple(scores.shape[2:])} after the pipeline "
                    f"and {size} before. This protocol resizes by itself: take Resize and Pad "
                    "out of the test pipeline.")
            sample.set_data({"pred_sem_seg": PixelData(data=scores[0].argmax(0, keepdim=True))})
        return data["data_samples"]

    def score(self, image: Tensor) -> Tensor:
        """Summed scores of each class: (1, 3, H, W) normalised -> (1, classes, H, W)."""
        height, width = image.shape[2:]
        total = image.new_zeros(())
        for scale in self.scales:
            longer = math.ceil(self.base_size * scale)
            size = [int(side * longer / max(height, width) + 0.5) for side in (height, width)]
            total = total + _resize(self._slide(_resize(image, size)), (height, width))
        return total

    def merge_preds(self, data_samples_list: list[list]) -> list:
        raise NotImplementedError("the scores are merged in test_step")

    def _slide(self, image: Tensor) -> Tensor:
        """Scores (1, classes, H, W) of a resized image (1, 3, H, W)."""
        height, width = image.shape[2:]
        image = self._pad(image)
        rows, columns = (range(0, max(side - self.crop_size, 0) + self.stride, self.stride)
                         for side in image.shape[2:])
        # A row for each class comes with the first window.
        total, count = image.new_zeros(1, 1, *image.shape[2:]), image.new_zeros(image.shape[2:])
        for top, left in itertools.product(rows, columns):
            window = image[..., top:top + self.crop_size, left:left + self.crop_size]
            h, w = window.shape[2:]
            score = self._infer(self._pad(window))[..., :h, :w]
            if total.shape[1] != score.shape[1]:
                total = total.repeat(1, score.shape[1], 1, 1)
            total[..., top:top + h, left:left + w] += score
            count[top:top + h, left:left + w] += 1
        return (total / count)[..., :height, :width]

    def _infer(self, window: Tensor) -> Tensor:
        both = torch.cat([window, window.flip(3)])
        logits = self.module.encode_decode(both, [dict(img_shape=both.shape[2:])] * 2)
        # Not a softmax: the official code sums plain exponentials.
        return (logits[:1] + logits[1:].flip(3)).exp()

    def _pad(self, image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        if min(height, width) >= self.crop_size:
            return image
        preprocessor = self.module.data_preprocessor
        black = (-preprocessor.mean / preprocessor.std).to(image).view(1, -1, 1, 1)
        padded = black.repeat(1, 1, max(height, self.crop_size), max(width, self.crop_size))
        padded[..., :height, :width] = image
        return padded


def _resize(image: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(image, tuple(size), mode="bilinear", align_corners=True)


@METRICS.register_module()
class SegmentationMetric(IoUMetric):
    """MMSegmentation's IoUMetric, whose results are ``pixAcc``, ``mAcc`` and ``mIoU`` in percent,
    not rounded, over the whole set; arguments are the same.
    """

    def __init__(self, **options: Any):
        # IoUMetric drops other keywords without a word; keep_results comes from MMSegmentation's
        # tool.
        known = {*inspect.signature(IoUMetric).parameters, "keep_results"}
        for name in options.keys() - known:
            raise TypeError(f"SegmentationMetric got an unexpected keyword argument {name!r}")
        # "cpu" would pass results through files, for which machines need a common disk.
        super().__init__(**{"collect_device": "gpu", **options})

    @staticmethod
    def intersect_and_union(pred_label: Tensor, label: Tensor, num_classes: int,
                            ignore_index: int) -> tuple[Tensor, ...]:
        """The areas of IoUMetric, and the number of ignored pixels."""
        areas = IoUMetric.intersect_and_union(pred_label, label, num_classes, ignore_index)
        return *areas, (label == ignore_index).sum().cpu()

    def compute_metrics(self, results: list) -> dict[str, float]:
        # It also logs the table of classes.
        metrics = super().compute_metrics([areas[:4] for areas in results])
        if not metrics:
            return metrics
        scores = score_areas((torch.stack([hit, predicted, labelled]).numpy()
                              for hit, _, predicted, labelled, _ in results),
                             ignored=sum(int(areas[4]) for areas in results))
        print_log(describe_coverage(scores.labelled, self.dataset_meta["classes"],
                                    ignored=scores.ignored), logger="current")
        return {"pixAcc": 100 * scores.pixel_accuracy, "mAcc": 100 * scores.mean_accuracy,
                "mIoU": 100 * scores.mean_iou}
