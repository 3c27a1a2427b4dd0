"""pixAcc and mIoU as published, beside MMSegmentation's table."""

import inspect
from typing import Any

import torch
from mmseg.evaluation import IoUMetric

from resnest_dense.data.labels.scores import score_areas
from resnest_dense.mmseg.registry import METRICS

__all__ = ["SegmentationMetric"]


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
        super().__init__(**options)

    def compute_metrics(self, results: list) -> dict[str, float]:
        metrics = super().compute_metrics(results)  # It also logs the table of classes.
        if not metrics:
            return metrics
        scores = score_areas(
            torch.stack([hit, predicted, labelled]).numpy()
            for hit, _, predicted, labelled in results
        )
        return {"pixAcc": 100 * scores.pixel_accuracy, "mAcc": 100 * scores.mean_accuracy,
                "mIoU": 100 * scores.mean_iou}
