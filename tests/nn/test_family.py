"""Every network before ResNeSt, with one block a stage: what a backbone must do."""

from dataclasses import replace

import pytest
import torch

from resnest_dense import (
    Deformable,
    ResNeSt,
    ResNeStError,
    ResNeStValueError,
    create_backbone,
    get_architecture,
    list_architectures,
)
from resnest_dense.analysis import record_attention
from resnest_dense.architectures import Architecture

LINE = [name for name in list_architectures() if not name.startswith("resnest")]


def build(name, **options):
    torch.manual_seed(0)
    return ResNeSt(replace(get_architecture(name), blocks=(1, 1, 1, 1)), **options)


def loss_of(net, x):
    return sum(feature.square().mean() for feature in net(x).values())


@pytest.mark.parametrize("name", LINE)
def test_gradients_reach_every_parameter_from_a_batch_of_one_at_an_odd_size(name):
    net = build(name)
    loss_of(net, torch.randn(1, 3, 65, 97)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.abs().sum() > 0
               for p in net.parameters())


@pytest.mark.parametrize("name", LINE)
@pytest.mark.parametrize("norm", ["BN", "GN"])
def test_fused_is_plain(name, norm):
    net = build(name, norm=norm, output_stride=16).eval()
    for module in net.modules():
        if hasattr(module, "running_mean"):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    x = torch.randn(2, 3, 65, 97)
    with torch.no_grad():
        fused = net.fused()
        expected, got = net(x), fused(x)
        assert all(torch.equal(again, got[name]) for name, again in fused(x).items())
    for feature, value in expected.items():
        torch.testing.assert_close(got[feature], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["seresnext50_32x4d", "scse_resnet50d", "sknet14"])
def test_checkpointed_and_frozen(name):
    plain = build(name)
    again = build(name, checkpoint_stages=("res2", "res4"), freeze_at=2)
    again.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    for net in (plain.double(), again.double()):
        net.stem.eval()
        net.res2.eval()
        loss_of(net, x).backward()
    expected = dict(plain.named_parameters())
    for key, parameter in again.named_parameters():
        if key.startswith(("stem", "res2")):
            assert parameter.grad is None
        else:
            torch.testing.assert_close(parameter.grad, expected[key].grad)
    state = again.state_dict()
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(state[key], value)


@pytest.mark.parametrize("name,kind,radix", [("seresnet14d", "gate", 1), ("sknet14", "conv2", 2),
                                             ("scse_resnet50d", "gate", 1)])
def test_attention_is_recorded(name, kind, radix):
    net = build(name).eval()
    with torch.no_grad(), record_attention(net) as recording:
        net(torch.randn(1, 3, 64, 64))
    blocks = recording.blocks()
    assert [block.stage for block in blocks] == ["res2", "res3", "res4", "res5"]
    for block in blocks:
        assert block.weights.shape[0] == radix and 0 < block.weights.min()
        channels = getattr(getattr(net, block.stage)[0], kind).fc2.out_channels
        assert block.weights.numel() == channels


def test_a_network_without_attention_has_none_to_draw():
    net = build("resnet50").eval()
    with torch.no_grad(), record_attention(net) as recording:
        net(torch.randn(1, 3, 64, 64))
    with pytest.raises(ResNeStError, match="No block with attention"):
        recording.blocks()


def test_the_deformable_3x3_of_a_resnet_starts_as_half_or_all_of_the_plain_one():
    """Offsets of zero sample where the plain one does; a mask of logit 0 halves what is sampled."""
    plain = build("resnext50_32x4d", norm="").eval()
    for modulated, share in ((False, 1.0), (True, 0.5)):
        net = build("resnext50_32x4d", norm="", deform=Deformable(("res2",), modulated)).eval()
        net.load_state_dict(plain.state_dict(), strict=False)
        x = torch.rand(1, 128, 9, 11)
        block = net.res2[0]
        out = block.conv2(x, block.conv2_offset(x))
        torch.testing.assert_close(out, plain.res2[0].conv2(x) * share, rtol=1e-4, atol=1e-5)
        image = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(net.fused()(image)["res5"], net(image)["res5"], rtol=1e-3,
                                   atol=1e-4)


def test_what_a_member_cannot_be_is_refused():
    with pytest.raises(ResNeStValueError, match="Selective kernels have no deformable form"):
        create_backbone("sknet14", deform=Deformable())
    with pytest.raises(ResNeStValueError, match="spatial='ska' in an Architecture: use one of"):
        Architecture((1, 1, 1, 1), spatial="ska")
    with pytest.raises(ResNeStValueError, match="Did you mean .*'sknet14'"):
        create_backbone("sknet15")


@pytest.mark.parametrize("name", ["scse_resnet50d", "sknet14"])
def test_compilers_see_one_graph(name):
    net = build(name).eval()
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x)["res5"], net(x)["res5"], rtol=1e-3, atol=1e-4)
