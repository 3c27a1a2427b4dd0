"""What the check calls an error, dropped or harmless, against what stock detectron2 does with it."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from coco_cases import CASES, KEYPOINT_CASES, write_broken_set, write_good_set
from resnest_dense.data.coco_check import check_coco
from resnest_dense.data.coco_kinds import KINDS
from resnest_dense.data.coco_rle import rle_bounds, rle_runs
from resnest_dense.errors import ResNeStValueError

from pycocotools import mask as mask_util
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

pytest.importorskip("detectron2")
from detectron2.data import DatasetMapper, MetadataCatalog, transforms  # noqa: E402
from detectron2.data.build import (  # noqa: E402
    filter_images_with_few_keypoints, filter_images_with_only_crowd_annotations)
from detectron2.data.datasets import load_coco_json  # noqa: E402

# Errors that detectron2 does not notice: it learns, or reports, something wrong.
SILENT = {
    "image-id-repeated", "category-id-repeated", "class-count", "class-names", "crowd-value",
    "bbox-negative-size", "bbox-number", "bbox-normalised", "bbox-corners", "bbox-mask-apart",
    "polygon-number", "rle-broken", "keypoints-category", "image-depth",
}
COMES_FIRST = [case for case in CASES if case.kinds.split()[0]]
