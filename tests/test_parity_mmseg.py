"""Our backbone in MMSegmentation against three other writings of it: same weights, same numbers."""

import mmengine
import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from peers import official_features, official_network, randomise_statistics

import resnest_dense.mmseg  # noqa: F401
from resnest_dense.configs import find_config
from resnest_dense.mmseg.loading import fit_checkpoint

ODD = (2, 3, 67, 97)


def ours(**options):
    options = {"architecture": "resnest50", **options}
    return mmengine.registry.MODELS.build(dict(type="resnest_dense.ResNeSt", **options)).eval()


def mmseg_network(depth=50, **options):
    from mmseg.models.backbones import ResNeSt

    net = ResNeSt(depth=depth, radix=2, reduction_factor=4, avg_down_stride=True, **options)
    randomise_statistics(net)
    net.eval()  # its train() returns nothing
    return net


def load(net, state):
    """Loads through the translation of whole-segmentor checkpoints."""
    holder = torch.nn.ModuleDict({"backbone": net})
    state = {f"backbone.{k}": v for k, v in state.items() if not k.startswith("fc.")}
    holder.load_state_dict(state)


def assert_same(mine, theirs, tolerance=1e-5):
    for a, b in zip(mine, theirs, strict=True):
        assert a.shape == b.shape
        assert float((a - b).abs().max() / b.abs().max()) < tolerance


@torch.no_grad()
@pytest.mark.parametrize("name,output_stride", [("resnest50", 8), ("resnest50", 16),
                                                ("resnest101", 8), ("resnest14", 32)])
def test_official_network(name, output_stride):
    official = official_network(name, output_stride).eval()
    net = ours(architecture=name, output_stride=output_stride)
    load(net, official.state_dict())
    x = torch.randn(ODD)
    assert_same(net(x), official_features(official, x).values())


@torch.no_grad()
@pytest.mark.parametrize("strides,dilations,output_stride", [
    ((1, 2, 2, 2), (1, 1, 1, 1), 32), ((1, 2, 2, 1), (1, 1, 1, 2), 16),
    ((1, 2, 1, 1), (1, 1, 2, 4), 8)])
def test_the_resnest_of_mmsegmentation(strides, dilations, output_stride):
    theirs = mmseg_network(stem_channels=64, strides=strides, dilations=dilations,
                           contract_dilation=True)
    net = ours(output_stride=output_stride, dilated_form="mmseg")
    load(net, theirs.state_dict())
    x = torch.randn(ODD)
    assert_same(net(x), theirs(x))


@torch.no_grad()
def test_timm_at_stride_32():
    theirs = timm.create_model("resnest26d", num_classes=0)
    randomise_statistics(theirs)
    net = ours(architecture="resnest26")
    load(net, theirs.state_dict())
    x = torch.randn(ODD)
    assert_same(net(x), theirs.eval().forward_intermediates(x, intermediates_only=True)[1:])


@torch.no_grad()
def test_a_whole_deeplabv3_of_mmsegmentation():
    theirs_cfg = get_config("mmseg::resnest/resnest_s101-d8_deeplabv3_4xb4-160k_ade20k-512x512.py")
    theirs_cfg.model.pretrained = None
    cfg = Config.fromfile(find_config("resnest101_deeplabv3_mmseg_ade20k", "mmseg"))
    with DefaultScope.overwrite_default_scope("mmseg"):
        theirs, mine = (mmengine.registry.MODELS.build(c.model).eval() for c in (theirs_cfg, cfg))
    randomise_statistics(theirs)
    mine.load_state_dict(fit_checkpoint(theirs.state_dict(), mine)[0])
    x = torch.randn(2, 3, 65, 97)
    assert_same([mine.encode_decode(x, [dict(img_shape=x.shape[2:])])],
                [theirs.encode_decode(x, [dict(img_shape=x.shape[2:])])])
