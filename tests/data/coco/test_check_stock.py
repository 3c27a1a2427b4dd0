"""What the check calls an error, dropped or harmless, against pycocotools and detectron2, which is
stock but for its reader of images."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from coco_cases import CASES, Case, write_broken_set

from resnest_dense.data.coco.check import check_coco
from resnest_dense.data.coco.report import KINDS

pytest.importorskip("detectron2")
from coco_stock import trained_by_detectron2  # noqa: E402
from pycocotools.coco import COCO  # noqa: E402
from pycocotools.cocoeval import COCOeval  # noqa: E402


def first_kind(case):
    return case.kinds.split()[0]


# Errors that detectron2 does not notice: it learns, or reports, something wrong.
UNNOTICED = {"image-id-repeated", "class-count", "class-names", "crowd-value", "crowd-most",
             "id-type", "bbox-number", "bbox-negative-size", "bbox-normalised", "bbox-corners",
             "bbox-mask-apart", "keypoints-category"}
# pycocotools 2.0.11 crashes on these, or does not come back.
UNTRIED = {"polygon-number", "rle-broken"}
HARMLESS = [case for case in CASES if KINDS[first_kind(case)].severity != "error"]
STOPPING = [case for case in CASES if case not in HARMLESS
            and first_kind(case) not in UNNOTICED | UNTRIED]
EVALUATED = [case for case in CASES if KINDS[first_kind(case)].severity == "evaluation"]


@pytest.mark.parametrize("case", HARMLESS, ids=first_kind)
def test_detectron2_trains_on_what_the_check_counts(case, tmp_path):
    json_path, root = write_broken_set(tmp_path, case)
    report = check_coco(json_path, root, need_masks=True, keypoints=2, evaluated=False)
    report.raise_if_wrong()
    assert trained_by_detectron2(json_path, root, "bitmask") == report.trained


@pytest.mark.parametrize("case", STOPPING, ids=first_kind)
def test_detectron2_stops_at_errors(case, tmp_path):
    json_path, root = write_broken_set(tmp_path, case)
    with pytest.raises(Exception):  # noqa: B017 - of many types, most of them meant for no user
        trained_by_detectron2(json_path, root, case.settings.get("mask_format", "bitmask"))


def evaluate(json_path, task):
    """The AP of the objects themselves as predictions."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(json_path))
        keys = ("image_id", "category_id", {"segm": "bbox", "keypoints": "keypoints"}[task])
        predictions = [{"score": 0.9, **{key: copy.copy(entry[key]) for key in keys}}
                       for entry in truth.anns.values()]
        evaluation = COCOeval(truth, truth.loadRes(predictions), task)
        evaluation.params.kpt_oks_sigmas = np.array([0.1, 0.1])
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[0]


@pytest.mark.parametrize("task", ["segm", "keypoints"])
def test_pycocotools_evaluates_the_good_set(task, tmp_path):
    json_path, _ = write_broken_set(tmp_path, Case("", (), lambda content, folder: None))
    assert evaluate(json_path, task) == 1


@pytest.mark.parametrize("case", EVALUATED, ids=first_kind)
def test_pycocotools_stops_at_evaluation_errors(case, tmp_path):
    json_path, _ = write_broken_set(tmp_path, case)
    task = "keypoints" if first_kind(case).startswith("keypoints") else "segm"
    with pytest.raises(Exception):  # noqa: B017
        evaluate(json_path, task)


def test_pycocotools_misses_the_object_of_id_zero(tmp_path):
    case = next(case for case in CASES if first_kind(case) == "annotation-id-zero")
    json_path, _ = write_broken_set(tmp_path, case)
    assert json.loads(json_path.read_text())["annotations"][1]["id"] == 0
    assert evaluate(json_path, "keypoints") < 0.9
