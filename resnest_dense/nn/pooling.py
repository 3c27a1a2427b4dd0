"""Pools that compile once for all image sizes.

The compiler learns the size of torch's pools by asking whether height and width are odd, and
compiles again for each answer. Under it, a pool is its windows' elements taken one by one, which
it fuses. An exported graph keeps torch's pools, which whoever runs it has.
"""

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense import ops
from resnest_dense.inference.compile import is_compiling
from resnest_dense.nn.memory import consuming

__all__ = ["AvgPool2d", "max_pool"]


class AvgPool2d(nn.AvgPool2d):
    """``torch.nn.AvgPool2d`` with a square window.

    Shape:
        (N, C, H, W) -> (N, C, H', W') as torch's
    """

    def forward(self, x: Tensor) -> Tensor:
        steps = ops.choose(x)
        if steps.LAZY:
            return steps.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                                    self.count_include_pad)
        if not is_compiling():
            if torch.compiler.is_compiling() and self.stride == 2:
                # What is repeated changes no mean.
                border = "replicate" if self.ceil_mode else "constant"
                return F.avg_pool2d(_pad(x, self.padding, border), self.kernel_size, 2)
            with consuming(x):
                return self._pad_first(x) if x.is_cuda and self.padding else super().forward(x)
        # Numbers: the pairs that torch takes too are not for a square window.
        window: tuple[Any, ...] = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        total = functools.reduce(torch.add, _elements(x, *window))
        if self.count_include_pad and not self.ceil_mode:
            return total / window[0]**2
        return total / functools.reduce(torch.add, _elements(torch.ones_like(x[:1, :1]), *window))

    def _pad_first(self, x: Tensor) -> Tensor:
        # Channels-last and with padding, torch's gradient on CUDA is wrong (pytorch issue 188344,
        # to 2.12); padded beforehand it is right.
        if self.ceil_mode or not self.count_include_pad:
            return super().forward(x)
        padding: Any = self.padding
        return F.avg_pool2d(F.pad(x, (padding,) * 4), self.kernel_size, self.stride)


def max_pool(x: Tensor) -> Tensor:
    """The stem's 3x3 max-pool of a map behind a ReLU.

    Shape:
        (N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2))
    """
    if not is_compiling():
        if torch.compiler.is_compiling():
            return F.max_pool2d(_pad(x, 1), 3, 2)
        with consuming(x):
            return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
    # Padding by 0 is exact where nothing is negative.
    return functools.reduce(torch.maximum, _elements(x, 3, 2, 1, False))


def _pad(x: Tensor, padding: Any, mode: str = "constant") -> Tensor:
    """``x`` as a pool of stride 2 pads it, with one more row or column where a side is odd.

    torch.export asks of such a pool whether its padded sides leave a remainder, and its graph then
    serves one answer alone (torch to 2.11): here there is none.
    """
    rows, columns = (padding + 2 * ((side + 1) // 2) - side for side in x.shape[2:])
    return F.pad(x, (padding, columns, padding, rows), mode=mode)


def _elements(x: Tensor, kernel: int, stride: int, padding: int, ceil: bool) -> Iterator[Tensor]:
    """For each element of the window the map of its values; zeros lie outside ``x``."""
    over = stride - 1 if ceil else 0
    height, width = ((size + 2 * padding + over - kernel) // stride + 1 for size in x.shape[2:])
    x = F.pad(x, (padding, padding + over) * 2)
    for i in range(kernel):
        for j in range(kernel):
            yield x[:, :, i::stride, j::stride][:, :, :height, :width]
