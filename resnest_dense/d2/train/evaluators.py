"""Which evaluator measures a data set."""

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.evaluation import (
    COCOEvaluator,
    COCOPanopticEvaluator,
    DatasetEvaluator,
    DatasetEvaluators,
    SemSegEvaluator,
)
from PIL import Image

from resnest_dense.errors import ResNeStValueError

__all__ = ["build_coco_evaluator", "build_evaluator"]


def build_evaluator(cfg: CfgNode, dataset_name: str, output_folder: str) -> DatasetEvaluator:
    """The metrics of a registered data set: COCO's for boxes, masks and keypoints, mean IoU for
    semantic labels, and all of these with panoptic quality for panoptic sets.

    Args:
        cfg: gives ``TEST.KEYPOINT_OKS_SIGMAS``.
        dataset_name: as registered with detectron2.
        output_folder: where the predictions are written.

    Raises:
        ResNeStValueError: a data set of another kind.
    """
    kind = MetadataCatalog.get(dataset_name).get("evaluator_type")
    if kind == "coco":
        return build_coco_evaluator(cfg, dataset_name, output_folder)
    if kind == "sem_seg":
        return _build_semantic(dataset_name, output_folder)
    if kind == "coco_panoptic_seg":
        return DatasetEvaluators([
            _build_semantic(dataset_name, output_folder),
            build_coco_evaluator(cfg, dataset_name, output_folder),
            COCOPanopticEvaluator(dataset_name, output_folder),
        ])
    raise ResNeStValueError(
        f"DATASETS.TEST: no evaluator for {dataset_name!r} of kind {kind!r}; use a set of kind "
        "coco, sem_seg or coco_panoptic_seg (evaluator_type in its metadata).")


def build_coco_evaluator(cfg: CfgNode, dataset_name: str, output_folder: str) -> COCOEvaluator:
    """COCO's metrics (pycocotools) of boxes, masks and keypoints, whichever are predicted."""
    # The compiled evaluation is no part of the wheels; asking for it only logs that.
    return COCOEvaluator(dataset_name, output_dir=output_folder, use_fast_impl=False,
                         kpt_oks_sigmas=list(cfg.TEST.KEYPOINT_OKS_SIGMAS))


def _build_semantic(dataset_name: str, output_folder: str) -> SemSegEvaluator:
    return SemSegEvaluator(dataset_name, output_dir=output_folder, sem_seg_loading_fn=_read_labels)


def _read_labels(path: str, dtype: type) -> np.ndarray:
    # detectron2 of 2024 reads by np.array(..., copy=False), which numpy 2 refuses. This may go when
    # no supported detectron2 is older than its commit 70f45430 (2024-11).
    with Image.open(path) as picture:
        return np.array(picture, dtype=dtype)
