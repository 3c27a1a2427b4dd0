"""Norms as a scale and a shift inside the kernels: a network on Triton, by its interpreter."""

import pytest
import torch

from resnest_dense import create_backbone, ops
from resnest_dense.nn.affine import norm_affine
from resnest_dense.nn.norm import FrozenBatchNorm2d, make_norm
from resnest_dense.nn.split_attention import SplitAttention

pytest.importorskip("triton")


def twins(norm):
    modules = [SplitAttention(4, radix=2, cardinality=1, stride=1, dilation=1, norm=norm).double()
               for _ in range(2)]
    for parameter in modules[0].parameters():
        parameter.data.normal_()
    modules[1].load_state_dict(modules[0].state_dict())
    return modules


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize("norm", ["BN", "SyncBN", "FrozenBN", "GN", ""])
def test_split_attention_by_kernels_is_the_same(norm, trains, monkeypatch):
    ours, expected = (module.train(trains) for module in twins(norm))
    x = torch.randn(3, 4, 5, 3).double().requires_grad_()
    results = []
    for module, name in ((ours, "triton"), (expected, "reference")):
        monkeypatch.setenv("RESNEST_DENSE_OPS", name)
        out = module(x)
        gradients = torch.autograd.grad(out.sin().sum(), (x, *module.parameters()))
        results.append((out, *gradients))
    torch.testing.assert_close(*results, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(ours.state_dict(), expected.state_dict())


def test_a_fused_network_by_kernels_is_the_same(monkeypatch):
    net = create_backbone("resnest14", out_features=["res2"]).eval()
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = net(x)["res2"]
        monkeypatch.setenv("RESNEST_DENSE_OPS", "triton")
        found = net.fused()(x)["res2"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_statistics_of_half_precision_maps_are_float32(dtype):
    x = (torch.randn(4, 3, 8, 8) + 3).to(dtype).requires_grad_()
    scale, shift = norm_affine(make_norm("BN", 3), x)
    assert scale.dtype == torch.float32
    var, mean = torch.var_mean(x.detach().float(), (0, 2, 3), correction=0)
    torch.testing.assert_close(scale, (var + 1e-5).rsqrt())
    torch.testing.assert_close(shift, -mean * scale)
    scale.sum().backward()
    assert x.grad.dtype == dtype


def test_frozen_norms_are_constants_and_others_are_not_affine():
    frozen = FrozenBatchNorm2d(3)
    scale, shift = norm_affine(frozen, torch.randn(1, 3, 2, 2))
    torch.testing.assert_close((scale, shift), (torch.ones(3), torch.zeros(3)))
    assert norm_affine(make_norm("GN", 32), torch.randn(1, 32, 2, 2)) is None


@pytest.mark.parametrize("affine", [False, True])
def test_each_step_is_one_node_to_a_compiler(affine, monkeypatch):
    monkeypatch.setenv("RESNEST_DENSE_OPS", "triton")
    from resnest_dense.ops import triton

    def steps(x, logits, *affine):
        attention = ops.radix_attention(logits, 2, 1)
        return triton.radix_pool(x, 2, *affine), triton.radix_sum(x, attention, 2, *affine)

    tensors = [torch.randn(2, 6, 4, 4), torch.randn(2, 6, 1, 1), *[torch.randn(6)] * (2 * affine)]
    tensors = [t.requires_grad_() for t in tensors]
    compiled = torch.compile(steps, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*tensors), steps(*tensors))
    sum(o.sum() for o in compiled(*tensors)).backward()
    assert all(t.grad is not None for t in tensors)
    graph = torch.export.export(_Module(steps), tuple(t.detach() for t in tensors)).graph
    names = [str(node.target) for node in graph.nodes if "resnest_dense" in str(node.target)]
    assert names == ["resnest_dense.radix_pool.default", "resnest_dense.radix_sum.default"]


class _Module(torch.nn.Module):

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *tensors):
        return self.function(*tensors)
