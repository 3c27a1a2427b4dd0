"""What weights expect of an image, compared with what they get."""

import pytest

from resnest_dense import ResNeStValueError
from resnest_dense.weights import InputContract, catalog, check_contract

IMAGENET = catalog.get("resnest50").contract
DETECTRON2 = catalog.get("resnest50_detectron").contract
MSRA = catalog.get("faster_rcnn_R_50_FPN_syncbn_range-scale_1x").contract
GOOD = dict(channel_order="RGB", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
KEYS = ("INPUT.FORMAT", "MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD")


@pytest.mark.parametrize("contract", [IMAGENET, DETECTRON2])
@pytest.mark.parametrize("given", [
    GOOD,
    dict(channel_order="RGB", mean=[123.68, 116.779, 103.939], std=[58.393, 57.12, 57.375]),
    dict(channel_order="RGB", mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225],
         value_range=1),
])
def test_the_published_spellings_of_one_input_agree(contract, given):
    check_contract(contract, **given)


@pytest.mark.parametrize("change", [
    dict(channel_order="BGR"),
    dict(mean=[103.53, 116.28, 123.675]),
    dict(mean=[123.675, 116.28, 101.5]),
    dict(std=[1.0, 1.0, 1.0]),
    dict(std=[58.395, 57.12, 58.5]),
    dict(value_range=1),
])
def test_each_part_is_compared(change):
    with pytest.raises(ResNeStValueError, match="does not suit"):
        check_contract(IMAGENET, **{**GOOD, **change})


def test_baselines_want_the_other_order():
    check_contract(MSRA, channel_order="BGR", mean=[103.53, 116.28, 123.675], std=[1, 1, 1])
    with pytest.raises(ResNeStValueError):
        check_contract(MSRA, **GOOD)


def test_the_message_names_both_sides_and_what_to_set():
    with pytest.raises(ResNeStValueError) as caught:
        check_contract(IMAGENET, channel_order="BGR", mean=[103.53, 116.28, 123.675],
                       std=[1, 1, 1], source="resnest50-528c19ca.pth", keys=KEYS)
    assert str(caught.value) == (
        "The input does not suit resnest50-528c19ca.pth: they expect RGB, values 0 to 1, mean "
        "[0.485, 0.456, 0.406], std [0.229, 0.224, 0.225]; the config gives BGR, values 0 to 255, "
        "mean [103.53, 116.28, 123.675], std [1, 1, 1]. Set INPUT.FORMAT to RGB, MODEL.PIXEL_MEAN "
        "to [123.675, 116.28, 103.53] and MODEL.PIXEL_STD to [58.395, 57.12, 57.375], or take "
        "weights that were trained on this input.")


@pytest.mark.parametrize("change,said", [(dict(channel_order="rgb"), "'rgb'.*RGB.*BGR"),
                                         (dict(mean=(1, 2)), "three values")])
def test_impossible_contracts_are_refused(change, said):
    fields = dict(channel_order="RGB", value_range=255, mean=(1, 2, 3), std=(1, 2, 3))
    with pytest.raises(ResNeStValueError, match=said):
        InputContract(**{**fields, **change})
