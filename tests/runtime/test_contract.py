"""What an exported file says of itself: kept as written, and refused where it is wrong."""

import json

import pytest

from resnest_dense import ResNeStValueError
from resnest_dense.runtime.contract import (
    Classes,
    Contract,
    Panoptic,
    Resize,
    Thresholds,
    Window,
)

PANOPTIC = Contract(
    "panoptic", "0.1.0",
    Classes((7, 9), ("cat", "dog"), ((1, 2, 3), (4, 5, 6)), (0, 3), ("things", "grass"),
            keypoints=("nose", "tail"), skeleton=((0, 1),)),
    "BGR", [1, 2, 3.5], (1, 1, 1), Resize("shortest", (800, 1333)), 32,
    thresholds=Thresholds(0.05, 0.5, 100), panoptic=Panoptic(stuff_area=10),
    window=Window((4, 5), (2, 2)), made_from={"config": "a.yaml"}, kept_higher=("conv1",))


def test_json_keeps_everything():
    read = Contract.from_json(PANOPTIC.to_json())
    assert read == PANOPTIC
    assert read.mean == (1.0, 2.0, 3.5) and read.classes.skeleton == ((0, 1),)


@pytest.mark.parametrize("key, value, words", [
    ("task", "classify", "contract.task is 'classify': use one of 'detect'"),
    ("mean", [1, 2], "contract.mean"),
    ("mean", [1, "a", 2], "contract.mean is 'a'"),
    ("size_divisor", True, "contract.size_divisor"),
    ("size_divisor", 0, "size_divisor"),
    ("std", [1, 0, 1], "std"),
    ("resize", {"policy": "none", "sise": 1}, "contract.resize.sise is unknown. .*size"),
    ("resize", {"policy": "fit"}, "two sides"),
    ("resize", [], "an object is needed"),
    ("classes", {"names": ["a"]}, "0 classes.ids of a contract for 1 names"),
    ("thresholds", None, "needs thresholds"),
    ("panoptic", None, "needs panoptic"),
    ("format_version", 9, "Update"),
])
def test_wrong_entries_are_named(key, value, words):
    content = json.loads(PANOPTIC.to_json())
    content[key] = value
    with pytest.raises(ResNeStValueError, match=words):
        Contract.from_json(json.dumps(content))


@pytest.mark.parametrize("text, words", [
    ("nope", "no JSON"), ("[]", "an object is needed"), ("{}", "not complete: .*'task'")])
def test_text_that_is_no_contract(text, words):
    with pytest.raises(ResNeStValueError, match=words):
        Contract.from_json(text)
