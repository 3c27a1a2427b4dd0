"""Average pools on CUDA. Channels-last, torch's own take ten times as long as their bytes need, and
their gradient was wrong where there is padding (pytorch issue 188344, to 2.12)."""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from resnest_dense.ops.triton_launch import SMALL_TILE, dense, each_pixel, map_like, strides_of

__all__ = ["avg_pool2d", "avg_pool_gradient_kernel", "avg_pool_kernel"]


def avg_pool2d(x: Tensor, kernel: int, stride: int, padding: int, ceil_mode: bool,
               count_include_pad: bool) -> Tensor:
    """``torch.nn.functional.avg_pool2d`` of a square window; padding counts whole or not at all.

    Shape:
        (N, C, H, W) -> (N, C, H', W') as torch's
    """
    return _AvgPool.apply(x, kernel, stride, padding, ceil_mode, count_include_pad)


class _AvgPool(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x, kernel, stride, padding, ceil_mode, include_pad):
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
    def backward(ctx, grad):
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


@triton.jit
def avg_pool_kernel(x, out, C, PIXELS, BLOCKS, H, W, OUT_W, image_stride, channel_stride, pixel_stride,
                 out_image_stride, out_channel_stride, out_pixel_stride,
                 K: tl.constexpr, S: tl.constexpr, PAD: tl.constexpr, INCLUDE_PAD: tl.constexpr,
                 ACC: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """A window of values in (from the cache, but for the first time) and one out."""
    program, n = tl.program_id(0), tl.program_id(1).to(tl.int64)
    c = program % BLOCKS * BLOCK_C + tl.arange(0, BLOCK_C)
    p = (program // BLOCKS * BLOCK_P + tl.arange(0, BLOCK_P)).to(tl.int64)
    top, left = p // OUT_W * S - PAD, p % OUT_W * S - PAD
    total = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    for i in tl.static_range(K):
        for j in tl.static_range(K):
            h, w = top + i, left + j
            inside = (p < PIXELS) & (h >= 0) & (h < H) & (w >= 0) & (w < W)
            at = n * image_stride + (h * W + w)[:, None] * pixel_stride + c[None, :] * channel_stride
            total += tl.load(x + at, mask=inside[:, None] & (c < C)[None, :], other=0).to(ACC)
    total /= _values(top, left, H, W, K, INCLUDE_PAD).to(ACC)[:, None]
    to = n * out_image_stride + p[:, None] * out_pixel_stride + c[None, :] * out_channel_stride
    tl.store(out + to, total.to(out.dtype.element_ty), mask=(p < PIXELS)[:, None] & (c < C)[None, :])


@triton.jit
def avg_pool_gradient_kernel(grad, out, C, PIXELS, BLOCKS, H, W, GRAD_H, GRAD_W,
                          image_stride, channel_stride, pixel_stride,
                          out_image_stride, out_channel_stride, out_pixel_stride,
                          K: tl.constexpr, S: tl.constexpr, PAD: tl.constexpr,
                          INCLUDE_PAD: tl.constexpr, ACC: tl.constexpr,
                          BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """What each window that holds a pixel gives to it."""
    program, n = tl.program_id(0), tl.program_id(1).to(tl.int64)
    c = program % BLOCKS * BLOCK_C + tl.arange(0, BLOCK_C)
    p = (program // BLOCKS * BLOCK_P + tl.arange(0, BLOCK_P)).to(tl.int64)
    h, w = p // W + PAD, p % W + PAD
    total = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    for i in tl.static_range((K + S - 1) // S):
        for j in tl.static_range((K + S - 1) // S):
            # The last window that begins at or before the pixel, and those before that one.
            row, column = h // S - i, w // S - j
            inside = ((p < PIXELS) & (row >= 0) & (row < GRAD_H) & (column >= 0) & (column < GRAD_W)
                      & (h - row * S < K) & (w - column * S < K))
            at = (n * image_stride + (row * GRAD_W + column)[:, None] * pixel_stride
                  + c[None, :] * channel_stride)
            value = tl.load(grad + at, mask=inside[:, None] & (c < C)[None, :], other=0).to(ACC)
            count = _values(row * S - PAD, column * S - PAD, H, W, K, INCLUDE_PAD).to(ACC)
            total += tl.where(inside[:, None], value / count[:, None], 0)
    to = n * out_image_stride + p[:, None] * out_pixel_stride + c[None, :] * out_channel_stride
    tl.store(out + to, total.to(out.dtype.element_ty), mask=(p < PIXELS)[:, None] & (c < C)[None, :])


@triton.jit
def _values(top, left, H, W, K: tl.constexpr, INCLUDE_PAD: tl.constexpr):
    """By how many values a window's sum is divided."""
    if INCLUDE_PAD:
        return tl.zeros_like(top) + K * K
    rows = tl.minimum(top + K, H) - tl.maximum(top, 0)
    columns = tl.minimum(left + K, W) - tl.maximum(left, 0)
    return tl.maximum(rows * columns, 1)
