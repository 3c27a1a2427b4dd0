"""The tables of names: exact, in both directions."""

import pytest
import torch

from resnest_dense import Deformable, ResNeStError, ResNeStValueError, create_backbone
from resnest_dense.weights.identify import detect_layout, to_ours
from resnest_dense.weights.layouts import LAYOUTS, from_ours, get_layout

DOCUMENTED = {
    "stem.conv1_1.weight": ("conv1.0.weight", "stem.0.weight", "stem.0.conv.weight"),
    "stem.conv1_2.norm.running_var": ("conv1.4.running_var", "stem.4.running_var",
                                      "stem.1.bn.running_var"),
    "stem.conv1_3.norm.bias": ("bn1.bias", "stem.7.bias", "stem.2.bn.bias"),
    "res2.0.conv1.norm.weight": ("layer1.0.bn1.weight",) * 3,
    "res2.0.shortcut.weight": ("layer1.0.downsample.1.weight",) * 2
    + ("layer1.0.downsample.0.weight",),
    "res2.0.shortcut.norm.weight": ("layer1.0.downsample.2.weight",) * 2
    + ("layer1.0.downsample.1.weight",),
    "res3.0.shortcut.norm.running_mean": ("layer2.0.downsample.2.running_mean",) * 3,
    "res5.12.conv2.bn0.num_batches_tracked": ("layer4.12.conv2.bn0.num_batches_tracked",) * 3,
    "res4.7.conv2.fc2.bias": ("layer3.7.conv2.fc2.bias",) * 3,
    "res4.7.conv3.norm.bias": ("layer3.7.bn3.bias",) * 3,
    "linear.weight": ("fc.weight",) * 3,
}


# Networks that the code of a layout builds; the others build ResNeSts.
OF_THE_LINE = {"torchvision": "seresnext50_32x4d", "timm_sk": "sknet50", "caffe2": "resnet50_msra"}


def state_for(layout):
    with torch.device("meta"):
        state = create_backbone(OF_THE_LINE.get(layout, "resnest26")).state_dict()
    if layout == "caffe2":  # of its norms a scale and a shift alone
        state = {name: value for name, value in state.items()
                 if "running_" not in name and not name.endswith("num_batches_tracked")}
    return {**state, "linear.weight": torch.zeros(5, 2048), "linear.bias": torch.zeros(5)}


@pytest.fixture(scope="module")
def ours():
    state = create_backbone("resnest26").state_dict()
    return {**state, "linear.weight": torch.zeros(5, 2048), "linear.bias": torch.zeros(5)}


@pytest.mark.parametrize("ours", DOCUMENTED)
def test_names_are_the_documented_ones(ours):
    names = tuple(get_layout(layout).from_ours(ours) for layout in ("upstream", "mm", "mmpretrain"))
    assert names == DOCUMENTED[ours]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_names_survive_the_round_trip(layout):
    ours = state_for(layout)
    theirs = from_ours(ours, get_layout(layout), prefix="some.where.")
    assert len(theirs) == len(ours)
    back = to_ours(theirs)
    added = [name for name in back.backbone if name not in ours]
    assert list(back.backbone) == [*ours, *added] and not back.rest
    assert not added or layout == "caffe2" and all(".norm.running_" in name for name in added)
    assert all(back.backbone[name] is tensor for name, tensor in ours.items())


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "backbone.bottom_up."])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_and_prefix_are_recognised_among_other_entries(layout, prefix):
    prefix += "pretrained." if layout == "encoding" else ""
    theirs = from_ours(state_for(layout), get_layout(layout), prefix=prefix)
    keys = ["decode_head.conv.weight", "backbone.fpn_lateral2.weight", *theirs]
    assert detect_layout(keys) == (get_layout(layout), prefix)


@pytest.mark.parametrize("layout", ["upstream", "torchvision", "timm_sk"])
def test_timm_is_another_name_of_what_its_code_calls_a_network(layout):
    assert get_layout("timm", state_for(layout)) is get_layout(layout)


def test_an_unknown_layout_is_refused():
    with pytest.raises(ResNeStValueError, match="Did you mean 'upstream'"):
        get_layout("upstrem")


def test_only_detectron2_has_names_for_deformable_blocks():
    state = create_backbone("resnest14", deform=Deformable(groups=2)).state_dict()
    assert list(from_ours(state, get_layout("detectron2"), prefix="")) == list(state)
    with pytest.raises(ResNeStError, match="'mm' has no name for res3.0.conv2_offset.weight"):
        from_ours(state, get_layout("mm"), prefix="")


def test_first_files_of_the_fork(ours):
    old = {}
    for name, tensor in ours.items():
        flat = name.endswith(("fc1.weight", "fc2.weight"))
        old[name.replace(".bn0.", ".bn.")] = tensor.flatten(1) if flat else tensor
    backbone = to_ours(old).backbone
    assert {k: v.shape for k, v in backbone.items()} == {k: v.shape for k, v in ours.items()}


def test_deformable_networks_of_openmmlab_are_refused(ours):
    theirs = from_ours(ours, get_layout("mm"), prefix="backbone.")
    theirs["backbone.layer2.0.conv2.conv.conv_offset.weight"] = torch.zeros(1)
    with pytest.raises(ResNeStError, match="OpenMMLab's deformable ResNeSt"):
        to_ours(theirs, name="dcn.pth")


def test_two_backbones_are_refused(ours):
    state = {f"{who}.{name}": tensor for who in ("teacher", "student")
             for name, tensor in ours.items()}
    with pytest.raises(ResNeStError, match="2 backbones, under .* 'teacher.', 'student.'"):
        to_ours(state)


@pytest.mark.parametrize("keys,said", [
    ([f"layer{i}.{j}.conv2.weight" for i in (1, 2, 3, 4) for j in range(i + 1)],
     "plain ResNet with 2-3-4-5 blocks"),
    ([f"backbone.bottom_up.res{i}.0.conv2.weight" for i in (2, 3, 4, 5)],
     "plain ResNet with 1-1-1-1 blocks"),
    (["blocks.0.attn.qkv", "head"], "2 entries start with blocks.0.attn.qkv, head"),
    ([], "it is empty"),
])
def test_what_is_no_resnest_is_named(keys, said):
    with pytest.raises(ResNeStError, match=f"x.pth holds no ResNeSt: .*{said}"):
        detect_layout(keys, name="x.pth")


def test_segmentors_of_pytorch_encoding_get_the_names_of_ours(ours):
    heads = {
        "head.aspp.b2.1.running_var": "decode_head.aspp_modules.2.bn.running_var",
        "head.aspp.b4.gap.1.weight": "decode_head.pooled.conv.weight",
        "head.aspp.project.1.bias": "decode_head.project.bn.bias",
        "head.block.0.weight": "decode_head.fuse.conv.weight",
        "head.block.4.bias": "decode_head.conv_seg.bias",
        "head.conv5.0.weight": "decode_head.convs.0.conv.weight",
        "auxlayer.conv5.4.weight": "auxiliary_head.conv_seg.weight",
        "decode_head.of_another.weight": "decode_head.of_another.weight",
    }
    state = from_ours(ours, get_layout("encoding"), prefix="pretrained.")
    found = to_ours({**state, **dict.fromkeys(heads, torch.zeros(1))}).segmentor()
    backbone = [f"backbone.{name}" for name in ours if not name.startswith("linear.")]
    assert list(found) == [*backbone, *heads.values()]
