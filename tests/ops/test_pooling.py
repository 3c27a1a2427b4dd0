"""Average pools by kernels are torch's, forward and backward."""

import pytest
import torch
from torch.nn import functional as F

from resnest_dense.ops import grouped

triton = pytest.importorskip("resnest_dense.ops.triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# kernel, stride, padding, ceil_mode, count_include_pad: those of a ResNeSt, and one of each kind.
WINDOWS = [(3, 2, 1, False, True), (3, 1, 1, False, True), (2, 2, 0, True, False),
           (3, 2, 1, True, False), (2, 3, 0, True, False), (4, 2, 1, False, False)]
LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("size", [(6, 7), (9, 4), (5, 5)], ids=str)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_pools_are_torchs(window, size, layout):
    x = torch.randn(2, 5, *size).contiguous(memory_format=layout)
    results = []
    for pool, device in ((triton.avg_pool2d, DEVICE), (F.avg_pool2d, "cpu")):
        leaf = x.to(device).requires_grad_()
        out = pool(leaf, *window)
        results.append((out.cpu(), *(g.cpu() for g in torch.autograd.grad(out.sin().sum(), leaf))))
    torch.testing.assert_close(*results)
    assert results[0][0].is_contiguous(memory_format=layout)


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_a_convolution_without_groups_is_the_same(groups):
    weight = torch.randn(2 * groups, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 4 * groups, 5, 6, dtype=torch.float64)
    results = []
    for out in (F.conv2d(x, weight, groups=groups),
                F.conv2d(x, grouped.to_dense(weight, groups))):
        results.append((out, *torch.autograd.grad(out.sin().sum(), weight)))
    torch.testing.assert_close(*results)


def test_a_cpu_keeps_its_groups():
    weight = torch.zeros(128, 32, 3, 3)
    assert grouped.fastest_form(torch.zeros(1, 64, 2, 2), weight, 2) == (weight, 2)
