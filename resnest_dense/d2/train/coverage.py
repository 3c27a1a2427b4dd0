"""What a metric does not count, said with it: detections beyond a limit, classes without objects,
pixels that are ignored."""

import logging
from collections import Counter

import numpy as np
from detectron2.config import CfgNode
from detectron2.evaluation import COCOEvaluator, SemSegEvaluator
from PIL import Image

from resnest_dense.data.labels.scores import describe_coverage
from resnest_dense.errors import listed

__all__ = ["StatedCOCOEvaluator", "StatedSemSegEvaluator"]

_logger = logging.getLogger(__name__)
_STANDARD = 100  # detections of a class in an image that COCO's metrics take


class StatedCOCOEvaluator(COCOEvaluator):
    """COCO's metrics (pycocotools) of boxes, masks and keypoints, whichever are predicted, with as
    many detections an image as ``TEST.DETECTIONS_PER_IMAGE`` lets the model give, and a line that
    says what is counted. A set without annotations is predicted, not measured.
    """

    def __init__(self, cfg: CfgNode, dataset_name: str, output_folder: str):
        given = cfg.TEST.DETECTIONS_PER_IMAGE
        self._limit = given if given >= 0 else 10**6  # the model's own, below 0 none
        # The compiled evaluation is no part of the wheels; asking for it only logs that.
        super().__init__(dataset_name, output_dir=output_folder, use_fast_impl=False,
                         max_dets_per_image=self._limit if self._limit > _STANDARD else None,
                         kpt_oks_sigmas=list(cfg.TEST.KEYPOINT_OKS_SIGMAS))
        self._do_evaluation = bool(self._coco_api.dataset.get("annotations"))
        self._name, self._keypoints = dataset_name, cfg.MODEL.KEYPOINT_ON

    def evaluate(self, img_ids: list[int] | None = None) -> dict | None:
        results = super().evaluate(img_ids)
        if results and self._do_evaluation:
            self._state()
        return results

    def _state(self) -> None:
        objects = [one for one in self._coco_api.dataset["annotations"] if not one.get("iscrowd")]
        most = max(Counter(one["image_id"] for one in objects).values(), default=0)
        text = (f"AP of {self._name} is that of at most {self._limit} detections an image "
                f"(TEST.DETECTIONS_PER_IMAGE)"
                f"{', of keypoints 20' if self._keypoints else ''}")
        if most > self._limit:
            _logger.warning("%s; an image has up to %d objects, which cannot all be found: set "
                            "TEST.DETECTIONS_PER_IMAGE to more.", text, most)
        else:
            _logger.info("%s; an image has up to %d objects.", text, most)
        seen = {one["category_id"] for one in objects}
        absent = [one["name"] for one in self._coco_api.dataset["categories"]
                  if one["id"] not in seen]
        if absent:
            _logger.warning("%s has no object of %d of its %d classes, which the mean AP leaves "
                            "out: %s.", self._name, len(absent), len(absent) + len(seen),
                            listed(absent))


class StatedSemSegEvaluator(SemSegEvaluator):
    """Mean IoU of semantic labels, with a line on pixels and classes that it leaves out."""

    def __init__(self, dataset_name: str, output_folder: str):
        super().__init__(dataset_name, output_dir=output_folder, sem_seg_loading_fn=_read_labels)

    def evaluate(self) -> dict | None:
        results = super().evaluate()
        if results:
            pixels = self._conf_matrix.sum(axis=0)  # of each class in the labels, ignored ones last
            _logger.info("%s: %s", self._dataset_name, describe_coverage(
                pixels[:-1], self._class_names, ignored=int(pixels[-1])))
        return results


def _read_labels(path: str, dtype: type) -> np.ndarray:
    # detectron2 of 2024 reads by np.array(..., copy=False), which numpy 2 refuses. This may go when
    # no supported detectron2 is older than its commit 70f45430 (2024-11).
    with Image.open(path) as picture:
        return np.array(picture, dtype=dtype)
