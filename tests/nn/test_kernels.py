"""Norms as a scale and a shift inside the kernels: a network on Triton, by its interpreter."""

import pytest
import torch

from resnest_dense import create_backbone, get_architecture, ops
from resnest_dense.nn.bottleneck import Bottleneck
from resnest_dense.nn.norm import FrozenBatchNorm2d, make_norm
from resnest_dense.nn.spatial.split_attention import SplitAttention
from resnest_dense.ops.affine import constant_affine

pytest.importorskip("triton")


def twins(make):
    """Two modules with the same weights, in float64."""
    modules = [make().double() for _ in range(2)]
    for parameter in modules[0].parameters():
        parameter.data.normal_()
    modules[1].load_state_dict(modules[0].state_dict())
    return modules


def assert_kernels_change_nothing(make, x, trains):
    """Values, gradients and statistics by Triton's kernels are those by torch's operators."""
    results = []
    modules = [module.train(trains) for module in twins(make)]
    for module, name in zip(modules, ("triton", "reference")):
        leaf = x.detach().double().requires_grad_()
        with ops.forced(name):
            out = module(leaf)
        gradients = torch.autograd.grad(out.sin().sum(), (leaf, *module.parameters()))
        results.append((out, *gradients))
    torch.testing.assert_close(*results, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(*(module.state_dict() for module in modules))


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize("norm", ["BN", "SyncBN", "FrozenBN", "GN", ""])
def test_split_attention_by_kernels_is_the_same(norm, trains):
    assert_kernels_change_nothing(
        lambda: SplitAttention(4, radix=2, cardinality=1, stride=1, dilation=1, norm=norm),
        torch.randn(3, 4, 5, 3), trains)


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize("norm", ["BN", "FrozenBN", "GN", ""])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_by_kernels_is_the_same(norm, trains, stride):
    architecture = get_architecture("resnest50")
    planes = 32 if norm == "GN" else 8  # of 32 groups
    channels = 8 if stride == 2 else 4 * planes
    assert_kernels_change_nothing(
        lambda: Bottleneck(channels, planes, architecture, norm=norm, stride=stride,
                           pool=stride == 2),
        torch.randn(2, channels, 5, 4), trains)


def test_a_fused_network_by_kernels_is_the_same():
    net = create_backbone("resnest14", out_features=["res2"]).eval()
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = net(x)["res2"]
        with ops.forced("triton"):
            found = net.fused()(x)["res2"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_moments_of_half_precision_maps_are_float32(dtype):
    from resnest_dense.ops.triton import LazyMap

    x = (torch.randn(4, 3, 8, 8) + 3).to(dtype).requires_grad_()
    lazy = LazyMap(x)
    mean, var = lazy.moments()
    assert mean.dtype == var.dtype == torch.float32
    expected = torch.var_mean(x.detach().float(), (0, 2, 3), correction=0)
    torch.testing.assert_close((var, mean), expected)
    var.sum().backward()
    assert x.grad.dtype == dtype


def test_moments_keep_their_digits_far_from_zero():
    from resnest_dense.ops.triton import LazyMap

    x = torch.randn(3, 2, 40, 50) + 1000
    mean, var = LazyMap(x).moments()
    exact_var, exact_mean = torch.var_mean(x.double(), (0, 2, 3), correction=0)
    torch.testing.assert_close((mean.double(), var.double()), (exact_mean, exact_var),
                               rtol=1e-4, atol=0)


def test_frozen_norms_are_constants_and_others_are_not():
    scale, shift = constant_affine(FrozenBatchNorm2d(3))
    torch.testing.assert_close((scale, shift), (torch.ones(3), torch.zeros(3)))
    assert constant_affine(make_norm("GN", 32)) is None
    assert constant_affine(make_norm("BN", 3)) is None
