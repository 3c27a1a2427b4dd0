"""Random configs: an error of ours that names the key, or the network that was asked for."""

from fractions import Fraction

import pytest
import torch
from detectron2.layers import ShapeSpec
from hypothesis import given
from hypothesis import strategies as st
from mmengine.registry import MODELS
from strategies import ODD, tries

import resnest_dense.mmseg  # noqa: F401 - its backbone
from resnest_dense import ResNeStError
from resnest_dense.d2 import build_resnest_backbone, get_cfg
from resnest_dense.d2.config_keys import merge_overrides
from resnest_dense.nn.norm import FrozenBatchNorm2d
from resnest_dense.nn.spatial.deform import DeformConv2d

STAGES = ("res2", "res3", "res4", "res5")
STRIDES = {1: 32, 2: 16, 4: 8}
LIKELY = {
    "DEPTH": st.sampled_from((14, 26)), "NUM_GROUPS": st.integers(0, 4),
    "WIDTH_PER_GROUP": st.sampled_from((64, 32, 63)), "STEM_WIDTH": st.integers(-1, 9),
    "BOTTLENECK_WIDTH": st.sampled_from((64, 3, 4, 8, 24, 65)), "RADIX": st.integers(0, 4),
    "AVD": st.booleans(), "AVD_FIRST": st.booleans(), "AVG_DOWN": st.booleans(),
    "DEEP_STEM": st.booleans(), "RES2_OUT_CHANNELS": st.sampled_from((256, 64)),
    "STEM_OUT_CHANNELS": st.sampled_from((64, 128)), "RES5_DILATION": st.integers(0, 4),
    "OUT_FEATURES": st.lists(st.sampled_from(("stem", *STAGES, "res6")), max_size=5),
    "NORM": st.sampled_from(("BN", "FrozenBN", "GN", "", "LN", "bn", "naiveSyncBN")),
    "DEFORM_ON_PER_STAGE": st.lists(st.booleans(), min_size=3, max_size=5),
    "DEFORM_MODULATED": st.booleans(), "DEFORM_NUM_GROUPS": st.integers(0, 3),
    "DILATED_FORM": st.sampled_from(("official", "mmseg", "Official")),
    "CHECKPOINT_STAGES": st.lists(st.sampled_from((*STAGES, "stem")), max_size=2),
    "ARCHITECTURE": st.sampled_from(("", "", "resnest14", "resnet14d", "resnest15")),
    "COMPILE": st.just(False)}


@st.composite
def keys_of_detectron2(draw):
    names = draw(st.lists(st.sampled_from([*LIKELY]), max_size=4, unique=True))
    keys = {name: draw(LIKELY[name]) for name in names}
    if draw(st.booleans()):
        keys[draw(st.sampled_from([*LIKELY]))] = draw(ODD)
    return {"DEPTH": 14, **keys}


@given(keys_of_detectron2(), st.booleans(), st.one_of(st.integers(-1, 6), ODD))
@tries(120)
def test_detectron2_builds_what_its_keys_say_or_names_the_key(keys, written, freeze_at):
    cfg = get_cfg()
    try:
        if written:  # as in a file or on the command line
            merge_overrides(cfg, [word for name, value in keys.items()
                                  for word in (f"MODEL.RESNETS.{name}", repr(value))])
        else:  # in Python, where nothing looks at types
            cfg.MODEL.RESNETS.update(keys)
        try:
            cfg.MODEL.BACKBONE.FREEZE_AT = freeze_at
        except AssertionError as error:  # yacs itself takes no such value
            assert "FREEZE_AT" in str(error)
            return
        with torch.device("meta"):
            net = build_resnest_backbone(cfg, ShapeSpec(channels=3))
    except ResNeStError as error:
        assert "MODEL." in str(error), str(error)
        return
    asked, out = cfg.MODEL.RESNETS, net.output_shape()
    assert type(cfg.MODEL.BACKBONE.FREEZE_AT) is int
    assert all(type(asked[name]) is type(get_cfg().MODEL.RESNETS[name]) for name in keys)
    assert [*out] == list(asked.OUT_FEATURES)
    if "res5" in out:
        assert out["res5"].stride == STRIDES[asked.RES5_DILATION]
    assert asked.STEM_OUT_CHANNELS in (64, net.stem(torch.zeros(
        1, 3, 8, 8, device="meta")).shape[1])
    assert list(net.checkpoint_stages) == list(asked.CHECKPOINT_STAGES)
    built = [stage for stage in STAGES if hasattr(net, stage)]
    for i, stage in enumerate(built):
        deformed = any(isinstance(part, DeformConv2d) for part in getattr(net, stage).modules())
        assert deformed == asked.DEFORM_ON_PER_STAGE[i] and len(asked.DEFORM_ON_PER_STAGE) == 4
        frozen = all(not p.requires_grad for p in getattr(net, stage).parameters())
        assert frozen == (freeze_at >= i + 2)
        if not asked.ARCHITECTURE:
            width = (2**i * asked.NUM_GROUPS
                     * Fraction(asked.WIDTH_PER_GROUP * asked.BOTTLENECK_WIDTH, 64))
            first = getattr(net, stage)[0]
            assert first.conv1.weight.shape[0] == width
            assert first.conv2.radix == asked.RADIX and first.avd_first == asked.AVD_FIRST
    if not asked.ARCHITECTURE and asked.STEM_WIDTH and (asked.DEEP_STEM or asked.RADIX > 1):
        assert net.stem.conv1_1.weight.shape[0] == asked.STEM_WIDTH


NORMS = st.one_of(st.sampled_from(("BN", "GN", "SyncBN", "FrozenBN", "LN")), ODD)
ARGUMENTS = {
    "architecture": st.sampled_from(("resnest14", "resnet14d", "resnest15")),
    "in_channels": st.integers(-1, 4), "output_stride": st.sampled_from((8, 16, 32, 4)),
    "dilated_form": st.sampled_from(("official", "mmseg", "detectron2", "mm")),
    "out_indices": st.lists(st.integers(-1, 4), max_size=4).map(tuple),
    "frozen_stages": st.integers(-2, 5),
    "norm_cfg": st.one_of(ODD, st.fixed_dictionaries({"type": NORMS}, optional={
        "requires_grad": st.one_of(st.booleans(), ODD), "momentum": st.one_of(st.just(0.01), ODD),
        "eps": st.one_of(st.just(1e-3), ODD), "num_groups": st.one_of(st.just(32), ODD)})),
    "norm_eval": st.booleans(), "with_cp": st.booleans(), "compile": st.just(False),
    "pretrained": st.none(), "init_cfg": st.none()}


@st.composite
def arguments_of_mmsegmentation(draw):
    names = draw(st.lists(st.sampled_from([*ARGUMENTS]), max_size=4, unique=True))
    given_ = {name: draw(ARGUMENTS[name]) for name in names}
    if draw(st.booleans()):
        name = draw(st.one_of(st.sampled_from([*ARGUMENTS]), st.just("depth")))
        given_[name] = draw(ODD)
    return {"architecture": "resnest14", **given_}


@given(arguments_of_mmsegmentation())
@tries(120)
def test_mmsegmentation_builds_what_its_dict_says_or_names_the_key(given_):
    try:
        with torch.device("meta"):
            net = MODELS.build(dict(type="resnest_dense.ResNeSt", **given_))
    except ResNeStError as error:
        assert any(name in str(error) for name in given_), str(error)
        return
    except TypeError as error:
        assert "depth" in given_ and "unexpected keyword argument 'depth'" in str(error)
        return
    asked = dict(in_channels=3, output_stride=32, out_indices=(0, 1, 2, 3), frozen_stages=-1,
                 norm_cfg=dict(type="BN"), norm_eval=False, with_cp=False, compile=False,
                 pretrained=None, init_cfg=None)
    asked.update(given_)
    for name in ("norm_eval", "with_cp", "compile"):
        assert type(asked[name]) is bool
    assert net.norm_eval == asked["norm_eval"] and net.compiled == asked["compile"]
    assert net.checkpoint_stages == (STAGES if asked["with_cp"] else ())
    assert all(type(index) is int for index in asked["out_indices"])
    assert net.out_features == tuple(STAGES[index] for index in asked["out_indices"])
    if not asked["compile"]:  # for no device there is no machine code
        maps = net.eval()(torch.zeros(1, asked["in_channels"], 64, 64, device="meta"))
        wanted = [64 // min(4 * 2**i, asked["output_stride"]) for i in asked["out_indices"]]
        assert [one.shape[-1] for one in maps] == wanted
    assert type(asked["frozen_stages"]) is int
    for i, stage in enumerate(STAGES):
        if hasattr(net, stage) and asked["norm_cfg"].get("requires_grad", True):
            assert any(p.requires_grad for p in getattr(net, stage).parameters()) == (
                asked["frozen_stages"] <= i)
    if asked["frozen_stages"] < 0:
        norm, cfg = next(net.stem.children()).norm, dict(asked["norm_cfg"])
        kinds = {"BN": torch.nn.BatchNorm2d, "SyncBN": torch.nn.SyncBatchNorm,
                 "GN": torch.nn.GroupNorm, "FrozenBN": FrozenBatchNorm2d}
        assert isinstance(norm, kinds[cfg["type"]])
        if cfg["type"] in ("BN", "SyncBN"):
            assert norm.eps == cfg.get("eps", 1e-5) > 0
            assert norm.momentum == cfg.get("momentum", 0.1)
            assert norm.weight.requires_grad == cfg.get("requires_grad", True)
    if asked["init_cfg"] or asked["pretrained"]:
        with pytest.raises(ResNeStError):
            net.init_weights()
