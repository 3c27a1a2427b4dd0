"""What training keeps for backward, and that making maps again changes no digit."""

import pytest
import torch

from resnest_dense import create_backbone
from resnest_dense.nn import recompute


def gradients(net, x):
    net(x)["res5"].square().mean().backward()
    return [p.grad for p in net.parameters()]


def twins(name, **options):
    first, second = (create_backbone(name, **options) for _ in range(2))
    second.load_state_dict(first.state_dict())
    return first, second


@pytest.mark.parametrize("name,options", [
    ("resnest26", {}), ("resnest26", dict(norm="FrozenBN")), ("resnest26", dict(norm="GN")),
    ("resnest50_fast_2s2x40d", dict(freeze_at=2)), ("resnest50_fast_4s1x64d", {}),
], ids=str)
def test_gradients_are_those_of_keeping_everything(name, options):
    ours, plain = twins(name, **options)
    x = torch.randn(2, 3, 64, 96)
    expected = []
    with recompute.suspended():
        expected = gradients(plain, x)
    for ours_grad, grad in zip(gradients(ours, x), expected):
        torch.testing.assert_close(ours_grad, grad, rtol=0, atol=0)


def test_backward_runs_twice_where_the_graph_is_kept():
    ours, _ = twins("resnest14")
    loss = ours(torch.randn(2, 3, 64, 64))["res5"].square().mean()
    first = torch.autograd.grad(loss, ours.stem.conv1_1.weight, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(loss, ours.stem.conv1_1.weight), first)


def kept_bytes(block, x):
    """Bytes of activations that stay alive between forward and backward of a block."""
    import gc
    import weakref

    made = []
    def remember(module, inputs, output):
        made.append((weakref.ref(output.untyped_storage()), output.numel()))
    return made
