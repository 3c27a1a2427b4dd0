"""The networks before ResNeSt against torchvision's, timm's and detectron2's, and the properties
that tie them to ResNeSt (docs/family.md)."""

import pickle
from dataclasses import replace

import pytest
import timm
import torch
import torchvision
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_resnet_backbone
from peers import randomise_statistics
from segmentation_models_pytorch.base.modules import SCSEModule
from timm.models.resnet import Bottleneck, ResNet

from resnest_dense import (
    ResNeSt,
    ResNeStError,
    create_backbone,
    fuse,
    get_architecture,
    weights,
)
from resnest_dense.nn.gate import ScSE, SqueezeExcitation
from resnest_dense.nn.spatial.plain import plain_conv
from resnest_dense.nn.spatial.selective_kernel import SelectiveKernel
from resnest_dense.nn.spatial.split_attention import SplitAttention
from resnest_dense.weights.identify import to_ours
from resnest_dense.weights.layouts import LAYOUTS, from_ours

D = dict(stem_width=32, stem_type="deep", avg_down=True)
SE = dict(block_args=dict(attn_layer="se"))
TINY = (1, 2, 1, 1)


def of_torchvision(**options):
    block = torchvision.models.resnet.Bottleneck
    return lambda blocks: torchvision.models.ResNet(block, blocks, **options)


def of_timm(name):
    return lambda blocks: timm.create_model(name, layers=blocks)


def put_together(**options):
    return lambda blocks: ResNet(Bottleneck, blocks, **options)


# By our names, what builds the peer of so many blocks.
PEERS = {
    "resnet50": of_torchvision(),
    "resnet101": of_torchvision(),
    "resnext50_32x4d": of_torchvision(groups=32, width_per_group=4),
    "resnext101_32x8d": of_torchvision(groups=32, width_per_group=8),
    "resnet14d": put_together(**D),
    "resnet50d": of_timm("resnet50d"),
    "resnet101d": of_timm("resnet101d"),
    "seresnet14d": put_together(**D, **SE),
    "seresnet50": of_timm("seresnet50"),
    "seresnet50d": put_together(**D, **SE),
    "seresnext50_32x4d": of_timm("seresnext50_32x4d"),
    "sknet14": of_timm("skresnext50_32x4d"),
    "sknet50": of_timm("skresnext50_32x4d"),
}


def ours_with(name, blocks, **options):
    return ResNeSt(replace(get_architecture(name), blocks=blocks), **options)


def features_of(peer, x):
    """Its last feature map."""
    if isinstance(peer, torchvision.models.ResNet):
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
            x = getattr(peer, name)(x)
        return x
    return peer.forward_features(x)


@pytest.mark.parametrize("name", PEERS)
def test_features_and_gradients_of_the_same_weights(name):
    torch.manual_seed(0)
    peer = PEERS[name](TINY).double().eval()
    randomise_statistics(peer)
    ours = ours_with(name, TINY).double()
    assert weights.load(ours, peer.state_dict()).coverage == 1
    ours.eval()
    x = torch.randn(1, 3, 39, 57, dtype=torch.float64)
    expected, feature = features_of(peer, x), ours(x)["res5"]
    scale = torch.randn(feature.shape[1:], dtype=torch.float64)
    for out in (expected, feature):
        (out * scale).sum().backward()
    expected, near = expected.detach(), 1e-10 * float(expected.detach().abs().max())
    torch.testing.assert_close(feature.detach(), expected, rtol=0, atol=near)
    theirs = {n: p.grad for n, p in peer.named_parameters() if p.grad is not None}
    wanted = to_ours(theirs).backbone
    got = {n: p.grad for n, p in ours.named_parameters()}
    assert wanted.keys() == got.keys()
    for n, grad in wanted.items():
        assert float((got[n] - grad).abs().max()) <= 1e-10 * float(grad.abs().max()), n
    fused = fuse(ours)
    with torch.no_grad():
        torch.testing.assert_close(fused(x)["res5"], ours(x)["res5"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PEERS)
def test_the_whole_network_has_the_same_weights(name):
    with torch.device("meta"):
        peer, ours = PEERS[name](get_architecture(name).blocks), create_backbone(name)
    found = to_ours(peer.state_dict())
    assert [key.split(".")[0] for key in found.rest] == []
    shapes = {key: value.shape for key, value in found.backbone.items() if "linear" not in key}
    assert shapes == {key: value.shape for key, value in ours.state_dict().items()}


@pytest.mark.parametrize("name,layout", [
    ("resnet50", "torchvision"), ("resnext50_32x4d", "torchvision"), ("resnet50d", "upstream"),
    ("seresnet50", "torchvision"), ("sknet50", "timm_sk")])
def test_files_convert_to_the_names_of_timm_and_back(name, layout, tmp_path):
    theirs = PEERS[name](TINY).state_dict()
    torch.save(theirs, tmp_path / "theirs.pth")
    weights.convert(tmp_path / "theirs.pth", "detectron2", tmp_path / "ours.pth")
    out = weights.convert(tmp_path / "ours.pth", "timm", tmp_path / "back.pth")
    back = weights.files.read(out)
    assert back.keys() == theirs.keys() and to_ours(back).layout is LAYOUTS[layout]
    assert all(torch.equal(back[key], value) for key, value in theirs.items())


@pytest.mark.parametrize("file,model,said", [
    ("resnet50", "resnet50d", "The file looks like resnet50 or resnet50_msra .*plain stem"),
    ("seresnet50", "resnet50", "The file looks like seresnet50 .*gate se.* the model is resnet50"),
    ("resnet50", "resnest50", "plain 3x3.*; the model is resnest50"),
    ("sknet50", "resnext50_32x4d", "sknet50 .*selective kernels"),
])
def test_weights_of_another_member_are_refused(file, model, said):
    with pytest.raises(ResNeStError, match=said):
        blocks = get_architecture(file).blocks
        weights.load(create_backbone(model), PEERS[file](blocks).state_dict())


def write_caffe2(name, path):
    """A file as detectron2's MSRA ones are: scale and shift of each norm, names of Caffe2."""
    state = create_backbone(name).state_dict()
    for key, value in state.items():
        if ".norm." in key and value.is_floating_point():
            value.uniform_(0.5, 1.5)
    state = {key: value for key, value in state.items()
             if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    named = from_ours(state, LAYOUTS["caffe2"], prefix="")
    path.write_bytes(pickle.dumps({key: value.numpy() for key, value in named.items()}))


@pytest.mark.parametrize("name,groups,width", [("resnet50_msra", 1, 64),
                                               ("resnext101_32x8d", 32, 8)])
def test_checkpoints_of_detectron2_give_the_features_that_they_give_there(name, groups, width,
                                                                          tmp_path):
    path = tmp_path / "R.pkl"
    write_caffe2(name, path)
    ours = create_backbone(name, norm="FrozenBN", out_features=["res3"])
    report = weights.load(ours, path)
    assert report.coverage == 1 and report.contract.channel_order == "BGR"
    cfg = get_cfg()
    keys = cfg.MODEL.RESNETS
    keys.DEPTH, keys.NUM_GROUPS, keys.WIDTH_PER_GROUP = 101 if "101" in name else 50, groups, width
    keys.STRIDE_IN_1X1, keys.OUT_FEATURES = groups == 1, ["res3"]
    theirs = build_resnet_backbone(cfg, ShapeSpec(channels=3))
    DetectionCheckpointer(theirs).load(str(path))
    x = torch.randn(1, 3, 64, 80)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(x)["res3"], theirs.eval()(x)["res3"])


def test_weights_of_the_original_resnet_are_refused_where_the_stride_is_elsewhere(tmp_path):
    write_caffe2("resnet50_msra", tmp_path / "R-50.pkl")
    with pytest.raises(ResNeStError, match="strides in the first 1x1 .* resnet50_msra"):
        weights.load(create_backbone("resnet50"), tmp_path / "R-50.pkl")


def plain_scse(x, gate):
    """``sigmoid(conv1x1_1(x)) * x + cse(x)``, written out."""
    pooled = x.mean((2, 3))
    hidden = (pooled @ gate.fc1.weight[:, :, 0, 0].T + gate.fc1.bias).clamp(min=0)
    channels = (hidden @ gate.fc2.weight[:, :, 0, 0].T + gate.fc2.bias).sigmoid()
    pixels = (torch.einsum("nchw,c->nhw", x, gate.spatial.weight[0, :, 0, 0])
              + gate.spatial.bias).sigmoid()
    return x * pixels[:, None] + x * channels[:, :, None, None]


def test_scse_is_its_formula_and_smps():
    gate, x = ScSE(32).double(), torch.randn(2, 32, 5, 7, dtype=torch.float64)
    theirs = SCSEModule(32, reduction=2).double()
    theirs.cSE[1].load_state_dict(gate.fc1.state_dict())
    theirs.cSE[3].load_state_dict(gate.fc2.state_dict())
    theirs.sSE[0].load_state_dict(gate.spatial.state_dict())
    for expected in (plain_scse(x, gate), theirs(x)):
        torch.testing.assert_close(gate(x), expected, rtol=1e-12, atol=1e-12)


def test_split_attention_of_one_split_is_a_gate_on_the_3x3():
    unit = SplitAttention(32, radix=1, cardinality=1, stride=1, dilation=1, norm="").double()
    gate, x = SqueezeExcitation(32, reduction=1).double(), torch.randn(2, 32, 5, 7).double()
    gate.fc1.load_state_dict(unit.fc1.state_dict())
    gate.fc2.load_state_dict(unit.fc2.state_dict())
    torch.testing.assert_close(unit(x), gate(unit.conv(x).relu()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("radix", [2, 4])
def test_split_attention_that_prefers_no_split_is_their_mean(radix):
    unit = SplitAttention(32, radix=radix, cardinality=1, stride=1, dilation=1, norm="").double()
    for parameter in unit.fc2.parameters():
        parameter.data = parameter.data[:32].repeat(radix, *[1] * (parameter.dim() - 1))
    x = torch.randn(2, 32, 5, 7, dtype=torch.float64)
    splits = unit.conv(x).relu().unflatten(1, (radix, -1))
    torch.testing.assert_close(unit(x), splits.mean(1), rtol=1e-12, atol=1e-12)


def test_selective_kernels_of_one_branch_are_resnexts_3x3():
    one = SelectiveKernel(64, branches=1, groups=32, stride=2, dilation=1, norm="BN").double()
    plain = plain_conv(get_architecture("resnext50_32x4d"))(64, stride=2, dilation=1, norm="BN")
    plain.double().load_state_dict(one.paths[0].state_dict())
    x = torch.randn(2, 64, 9, 7, dtype=torch.float64)
    torch.testing.assert_close(one(x), plain(x), rtol=0, atol=0)
