"""Files of the other implementations: the same outputs in ours, and in theirs after conversion."""

import pytest
import timm
import torch
from detectron2.layers import ShapeSpec
from peers import (
    official_features,
    official_network,
    official_wrapper,
    randomise_statistics,
)

import resnest_dense.mmseg  # noqa: F401  makes mmseg.models importable without compiled operators
from resnest_dense import create_backbone, weights
from resnest_dense.d2 import get_cfg

SIZE = (1, 3, 65, 97)


def official(name):
    net = official_network(name).eval()
    return net, lambda x: official_features(net, x).values()


def timms(name):
    net = timm.create_model({"resnest14": "resnest14d", "resnest50": "resnest50d"}[name])
    randomise_statistics(net)
    net.eval()
    return net, lambda x: net.forward_intermediates(x, intermediates_only=True)[1:]


def wrapper(name):
    cfg = get_cfg()
    cfg.MODEL.RESNETS.DEPTH = int(name.removeprefix("resnest"))
    cfg.MODEL.RESNETS.STRIDE_IN_1X1 = False
    cfg.MODEL.RESNETS.NORM = "BN"
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    net = official_wrapper().build_resnest_backbone(cfg, ShapeSpec(channels=3))
    randomise_statistics(net)
    net.eval()
    return net, lambda x: net(x).values()


def mmsegs(name):
    from mmseg.models.backbones import ResNeSt

    depth = int(name.removeprefix("resnest"))
    net = ResNeSt(depth=depth, radix=2, stem_channels=64, norm_cfg=dict(type="SyncBN"))
    randomise_statistics(net)
    net.eval()  # returns nothing
    return net, net


PEERS = {
    "upstream": (official, "resnest14"),
    "timm": (timms, "resnest14"),
    "detectron2": (wrapper, "resnest50"),
    "mm": (mmsegs, "resnest50"),
}


def assert_same(mine, theirs):
    for a, b in zip(mine, theirs, strict=True):
        assert float((a - b).abs().max() / b.abs().max()) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("layout", PEERS)
def test_a_file_of_theirs_in_ours(layout, tmp_path):
    make, name = PEERS[layout]
    net, features = make(name)
    torch.save(net.state_dict(), tmp_path / "theirs.pth")
    ours = create_backbone(name).eval()
    report = weights.load(ours, tmp_path / "theirs.pth")
    assert report.layout == layout.replace("timm", "upstream") and report.coverage == 1
    x = torch.randn(SIZE)
    assert_same(ours(x).values(), features(x))


@torch.no_grad()
@pytest.mark.parametrize("layout,ending", [("upstream", ".pth"), ("timm", ".safetensors"),
                                           ("detectron2", ".pth"), ("mm", ".safetensors")])
def test_a_file_of_ours_in_theirs(layout, ending, tmp_path):
    make, name = PEERS[layout]
    ours = create_backbone(name).eval()
    randomise_statistics(ours)
    torch.save(ours.state_dict(), tmp_path / "ours.pth")
    weights.convert(tmp_path / "ours.pth", layout, tmp_path / f"theirs{ending}")
    state = weights.files.read(tmp_path / f"theirs{ending}")
    net, features = make(name)
    state = {key.removeprefix("backbone.bottom_up."): value for key, value in state.items()}
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert set(missing) <= {"fc.weight", "fc.bias"} and not unexpected
    x = torch.randn(SIZE)
    assert_same(features(x), ours(x).values())


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnest50_fast_4s2x40d", "resnest50_fast_1s4x24d"])
def test_splits_and_groups_are_in_the_same_order(name):
    net, features = official(name)
    ours = create_backbone(name).eval()
    weights.load(ours, net.state_dict())
    x = torch.randn(SIZE)
    assert_same(ours(x).values(), features(x))


@torch.no_grad()
def test_a_segmentor_of_pytorch_encoding(tmp_path):
    """Its documented names: the official torch network as "pretrained", "head" and "auxlayer"."""
    net = official_network("resnest14", output_stride=8).eval()
    heads = {"head.aspp.b0.0.weight": torch.rand(4, 4), "auxlayer.conv5.4.bias": torch.rand(3)}
    backbone = {f"pretrained.{k}": v for k, v in net.state_dict().items() if k[:3] != "fc."}
    torch.save({"state_dict": {**backbone, **heads}}, tmp_path / "deeplab.pth")
    ours = create_backbone("resnest14", output_stride=8, dilated_form="official").eval()
    report = weights.load(ours, tmp_path / "deeplab.pth")
    assert report.layout == "encoding" and set(report.ignored) == set(heads)
    x = torch.randn(SIZE)
    assert_same(ours(x).values(), official_features(net, x).values())
