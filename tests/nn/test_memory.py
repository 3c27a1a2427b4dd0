"""What training keeps for backward, and that making maps again changes no digit."""

import contextlib

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from resnest_dense import create_backbone, get_architecture
from resnest_dense.nn import memory
from resnest_dense.nn.bottleneck import Bottleneck


def twins(name, **options):
    first, second = (create_backbone(name, **options) for _ in range(2))
    second.load_state_dict(first.state_dict())
    return first, second


@pytest.mark.parametrize("name,options", [
    ("resnest26", {}), ("resnest14", dict(norm="FrozenBN")), ("resnest14", dict(norm="GN")),
    ("resnest14", dict(checkpoint_stages=("res3",))), ("resnest50_fast_4s2x40d", dict(freeze_at=2)),
], ids=str)
def test_gradients_are_those_of_keeping_everything(name, options):
    ours, plain = twins(name, **options)
    x = torch.randn(2, 3, 64, 96)
    with memory.suspended():
        plain(x)["res5"].square().mean().backward()
    ours(x)["res5"].square().mean().backward()
    for parameter, expected in zip(ours.parameters(), plain.parameters()):
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=0, atol=0)


def test_backward_runs_again_where_the_graph_is_kept():
    net = create_backbone("resnest14")
    loss = net(torch.randn(2, 3, 64, 64))["res5"].square().mean()
    first = torch.autograd.grad(loss, net.stem.conv1_1.weight, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(loss, net.stem.conv1_1.weight), first)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_gradients_have_gradients(dtype):
    ours, plain = twins("resnest14", out_features=["res2"], norm="BN")
    x = torch.randn(2, 3, 32, 32, dtype=dtype)
    second = []
    for net, context in ((ours, contextlib.nullcontext), (plain, memory.suspended)):
        net, weights = net.to(dtype), list(net.parameters())
        with context():
            loss = net(x)["res2"].sin().mean()
        first = torch.autograd.grad(loss, weights, create_graph=True)
        second.append(torch.autograd.grad(sum(g.square().sum() for g in first), weights))
    torch.testing.assert_close(*second)


def kept_units(block, x):
    """What lies between forward and backward of a block, in maps of ``planes`` channels."""
    block(x)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        out = block(x)
    net = sum(event.self_cpu_memory_usage for event in profiler.events())
    return net / (out.numel() / 4 * out.element_size())


def test_a_block_keeps_11_maps_of_15():
    block = Bottleneck(256, 64, get_architecture("resnest50"))
    x = torch.randn(2, 256, 40, 40, requires_grad=True)
    assert kept_units(block, x) == pytest.approx(11, abs=0.3)
    with memory.suspended():
        assert kept_units(block, x) == pytest.approx(15, abs=0.3)
