"""Our detectron2 backbone against the official detectron2 wrapper, built from the same config."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from peers import official_wrapper, plain_for_deformable, randomise_statistics

from resnest_dense.d2 import build_resnest_backbone, get_cfg

NORMS = ["BN", "SyncBN", "FrozenBN", "GN"]


def config(**keys):
    cfg = get_cfg()
    cfg.MODEL.RESNETS.STRIDE_IN_1X1 = False
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    for key, value in keys.items():
        node = cfg.MODEL.BACKBONE if key == "FREEZE_AT" else cfg.MODEL.RESNETS
        node[key] = value
    return cfg


def both(cfg):
    shape = ShapeSpec(channels=3)
    return build_resnest_backbone(cfg, shape), official_wrapper().build_resnest_backbone(cfg, shape)


def shapes(net):
    return {name: value.shape for name, value in net.state_dict().items()}


@pytest.mark.parametrize("freeze_at", range(6))
@pytest.mark.parametrize("norm", NORMS)
def test_names_shapes_and_what_trains(norm, freeze_at):
    with torch.device("meta"):
        ours, official = both(config(DEPTH=50, NORM=norm, FREEZE_AT=freeze_at))
    assert shapes(ours) == shapes(official)
    assert ({n for n, p in ours.named_parameters() if p.requires_grad}
            == {n for n, p in official.named_parameters() if p.requires_grad})


@pytest.mark.parametrize("depth", [101, 152, 200, 269])
def test_names_and_shapes_of_every_depth(depth):
    with torch.device("meta"):
        ours, official = both(config(DEPTH=depth, NORM="SyncBN"))
    assert shapes(ours) == shapes(official)
    assert {k: (v.channels, v.stride) for k, v in ours.output_shape().items()} == {
        k: (v.channels, v.stride) for k, v in official.output_shape().items()}


def test_norm_none_has_the_wrappers_names():
    """The wrapper builds it too, but cannot run it."""
    with torch.device("meta"):
        ours, official = both(config(DEPTH=50, NORM=""))
    assert shapes(ours) == shapes(official)
    ours = build_resnest_backbone(config(DEPTH=50, NORM=""), ShapeSpec(channels=3))
    ours(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize("keys", [
    dict(DEPTH=50, NORM="BN"),
    dict(DEPTH=50, NORM="FrozenBN", FREEZE_AT=5),
    dict(DEPTH=101, NORM="BN"),
    dict(DEPTH=50, NORM="BN", RES5_DILATION=2),
    dict(DEPTH=50, NORM="BN", RADIX=4, OUT_FEATURES=["res3", "res4"]),
], ids=str)
def test_same_features(keys):
    ours, official = both(config(**keys))
    randomise_statistics(official)
    ours.load_state_dict(official.state_dict())
    x = torch.randn(1, 3, 65, 95)
    with torch.no_grad():
        theirs = official.eval()(x)
        for name, feature in ours.eval()(x).items():
            torch.testing.assert_close(feature, theirs[name], rtol=1e-6, atol=0, msg=name)


def test_initialisation_draws_from_the_same_distributions():
    ours, official = both(config(DEPTH=50, NORM="BN", FREEZE_AT=0))
    theirs = dict(official.named_parameters())
    for name, parameter in ours.named_parameters():
        if parameter.numel() < 4000:
            continue
        for statistic in (torch.std, torch.max):
            torch.testing.assert_close(statistic(parameter), statistic(theirs[name]), rtol=0.35,
                                       atol=0.01, msg=name)
    for name in ("res2.0.conv2.bn0.weight", "res5.2.conv3.norm.weight"):
        assert (ours.get_parameter(name) == 1).all()


@pytest.mark.parametrize("modulated,groups", [(True, 2), (False, 1)])
def test_deformable_names_and_shapes(modulated, groups, monkeypatch):
    plain_for_deformable(monkeypatch)
    cfg = config(DEPTH=50, NORM="SyncBN", DEFORM_ON_PER_STAGE=[False, True, True, True],
                 DEFORM_MODULATED=modulated, DEFORM_NUM_GROUPS=groups)
    with torch.device("meta"):
        ours, official = both(cfg)
    assert shapes(ours) == shapes(official)
