"""Which evaluator measures a data set."""

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.evaluation import COCOEvaluator, DatasetEvaluator

from resnest_dense.errors import ResNeStValueError

__all__ = ["build_evaluator"]


def build_evaluator(cfg: CfgNode, dataset_name: str, output_folder: str) -> DatasetEvaluator:
    """COCO's metrics (pycocotools) for a registered data set.

    Args:
        cfg: gives ``TEST.DETECTIONS_PER_IMAGE`` and the like.
        dataset_name: as registered with detectron2.
        output_folder: where the predictions are written.

    Raises:
        ResNeStValueError: a data set of another kind.
    """
    kind = MetadataCatalog.get(dataset_name).get("evaluator_type")
    if kind == "coco":
        # The compiled evaluation is no part of the wheels; asking for it only logs that.
        return COCOEvaluator(dataset_name, output_dir=output_folder, use_fast_impl=False)
    raise ResNeStValueError(
        f"DATASETS.TEST: no evaluator for {dataset_name!r} of kind {kind!r}; use a COCO data set."
    )
