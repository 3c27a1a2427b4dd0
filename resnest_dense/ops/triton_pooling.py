"""Average pools on CUDA. Channels-last, torch's own take ten times as long as their bytes need, and
their gradient was wrong where there is padding (pytorch issue 188344, to 2.12)."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from resnest_dense.ops.triton_kernels import avg_pool_gradient_kernel, avg_pool_kernel
from resnest_dense.ops.triton_launch import SMALL_TILE, dense, each_pixel, map_like, strides_of

__all__ = ["avg_pool2d"]


def avg_pool2d(x: Tensor, kernel: int, stride: int, padding: int, ceil_mode: bool,
               count_include_pad: bool) -> Tensor:
    """``torch.nn.functional.avg_pool2d`` of a square window; padding counts whole or not at all.

    Shape:
        (N, C, H, W) -> (N, C, H', W') as torch's
    """
    return _AvgPool.apply(x, kernel, stride, padding, ceil_mode, count_include_pad)


class _AvgPool(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: int, stride: int, padding: int, ceil_mode: bool,
                include_pad: bool) -> Tensor:
        x = dense(x)
        size = [_length(side, kernel, stride, padding, ceil_mode) for side in x.shape[2:]]
        out = map_like(x, x.shape[1], size)
        ctx.shape = x.shape
        ctx.window = dict(K=kernel, S=stride, PAD=padding, INCLUDE_PAD=include_pad)
        each_pixel(avg_pool_kernel, out, x.shape[1], (x, out),
                   (*x.shape[2:], out.shape[3], *strides_of(x), *strides_of(out)), SMALL_TILE,
                   **ctx.window)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad = dense(grad)
        by_x = map_like(grad, ctx.shape[1], ctx.shape[2:])
        each_pixel(avg_pool_gradient_kernel, by_x, ctx.shape[1], (grad, by_x),
                   (*ctx.shape[2:], *grad.shape[2:], *strides_of(grad), *strides_of(by_x)),
                   SMALL_TILE, **ctx.window)
        return by_x, None, None, None, None, None


def _length(side: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    over = stride - 1 if ceil_mode else 0
    length = (side + 2 * padding + over - kernel) // stride + 1
    # A window that would begin in the padding behind the map is none.
    return length - 1 if ceil_mode and (length - 1) * stride >= side + padding else length
