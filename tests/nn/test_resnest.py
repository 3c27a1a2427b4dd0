"""The backbone's contract: names, sizes, options that act, and inputs that are refused."""

import pytest
import torch

from resnest_dense import ResNeStError, create_backbone, get_architecture, list_architectures
from resnest_dense.nn.norm import FrozenBatchNorm2d

X = torch.zeros(1, 3, 33, 47)
WIDE = ("resnest101", "resnest152", "resnest200", "resnest269")


@pytest.mark.parametrize("name", list_architectures())
def test_channels_strides_and_sizes_at_an_odd_input(name):
    with torch.device("meta"):
        net = create_backbone(name, out_features=("res5", "stem", "res2", "res3", "res4"))
        features = net(torch.empty(2, 3, 65, 97))
    stem = get_architecture(name).stem_channels
    assert list(features) == ["res5", "stem", "res2", "res3", "res4"] == list(net.feature_info)
    assert stem == (128 if name in WIDE else 64)
    sizes = {name: tuple(f.shape[1:]) for name, f in features.items()}
    assert sizes == {"stem": (stem, 17, 25), "res2": (256, 17, 25), "res3": (512, 9, 13),
                     "res4": (1024, 5, 7), "res5": (2048, 3, 4)}
    assert net.feature_info["res5"] == (2048, 32) and net.feature_info["stem"] == (stem, 4)


@pytest.mark.parametrize("output_stride,size", [(32, (3, 4)), (16, (5, 7)), (8, (9, 13))])
def test_output_stride_sets_the_last_size(output_stride, size):
    net = create_backbone("resnest14", output_stride=output_stride).eval()
    assert net(torch.zeros(1, 3, 65, 97))["res5"].shape[2:] == size
    assert net.feature_info["res5"] == (2048, output_stride)


def test_each_dilated_form_is_another_network():
    torch.manual_seed(1)
    x = torch.randn(1, 3, 64, 64)
    state, outputs = None, []
    for form in ("official", "mmseg", "detectron2"):
        net = create_backbone("resnest26", output_stride=8, dilated_form=form).eval()
        state = state or net.state_dict()
        net.load_state_dict(state)
        outputs.append(net(x)["res5"])
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(outputs[i], outputs[j], rtol=1e-2)


@pytest.mark.parametrize("channels", [1, 4, 12])
def test_any_number_of_input_channels(channels):
    net = create_backbone("resnest14", in_channels=channels).eval()
    assert net(torch.zeros(1, channels, 32, 32))["res5"].shape == (1, 2048, 1, 1)


def test_stages_behind_the_last_feature_are_not_built():
    net = create_backbone("resnest14", out_features=("res3",))
    assert [name for name, _ in net.named_children()] == ["stem", "res2", "res3"]


@pytest.mark.parametrize("freeze_at", range(6))
def test_freeze_at_freezes_so_many_parts_and_no_more(freeze_at):
    net = create_backbone("resnest14", freeze_at=freeze_at)
    for i, name in enumerate(("stem", "res2", "res3", "res4", "res5")):
        part = getattr(net, name)
        frozen = any(isinstance(m, FrozenBatchNorm2d) for m in part.modules())
        assert frozen == (i < freeze_at)
        assert any(p.requires_grad for p in part.parameters()) == (i >= freeze_at)


def test_freezing_keeps_the_numbers():
    net, frozen = create_backbone("resnest14").eval(), create_backbone("resnest14", freeze_at=3)
    frozen.load_state_dict(net.state_dict())
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(frozen.eval()(x)["res5"], net(x)["res5"])


@pytest.mark.parametrize("norm", ["BN", "SyncBN", "FrozenBN", "GN", "",
                                  lambda channels: torch.nn.GroupNorm(2, channels)])
def test_every_norm_trains_and_reaches_every_parameter(norm):
    net = create_backbone("resnest14", norm=norm)
    sum(f.square().mean() for f in net(torch.randn(2, 3, 64, 64)).values()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("name", ["resnest26", "resnest50_fast_2s2x40d"])
def test_checkpointing_changes_nothing_but_memory(name):
    stages = ("res2", "res3", "res4", "res5")
    plain, saving = create_backbone(name), create_backbone(name, checkpoint_stages=stages)
    saving.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 64, 64)
    kept = []
    for net in (plain, saving):
        sizes = []

        def keep(tensor, sizes=sizes):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            loss = net(x)["res5"].square().mean()
        kept.append(sum(sizes))
        loss.backward()
    assert kept[1] < kept[0] / 2
    torch.testing.assert_close(saving.state_dict(), plain.state_dict(), rtol=0, atol=0)
    for ours, expected in zip(saving.parameters(), plain.parameters()):
        torch.testing.assert_close(ours.grad, expected.grad, rtol=0, atol=0)


@pytest.mark.parametrize("arguments,words", [
    (dict(name="resnest51"), "resnest50"),
    (dict(name=None), "resnest14"),
    (dict(out_features=("res2", "res6")), "res5"),
    (dict(out_features=()), "name some of"),
    (dict(checkpoint_stages=("stem",)), "res2"),
    (dict(output_stride=4), "8, 16 or 32"),
    (dict(dilated_form="oficial"), "official"),
    (dict(norm="BatchNorm"), "SyncBN"),
    (dict(freeze_at=6), "0 to 5"),
    (dict(in_channels=0), "at least 1"),
])
def test_a_wrong_argument_is_named_with_what_is_allowed(arguments, words):
    with pytest.raises(ResNeStError, match=words) as caught:
        create_backbone(**{"name": "resnest14", **arguments})
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("x,words", [
    (X[0], r"\(3, 33, 47\).*\(N, 3, H, W\)"),
    (torch.zeros(1, 4, 33, 47), r"\(1, 4, 33, 47\).*in_channels"),
    (X.byte(), "uint8.*floats"),
    (X.long(), "int64.*floats"),
])
def test_a_wrong_input_is_refused(x, words):
    with pytest.raises(ResNeStError, match=words):
        create_backbone("resnest14")(x)


def test_an_unknown_keyword_is_a_type_error():
    with pytest.raises(TypeError):
        create_backbone("resnest14", radixx=2)
