"""Split attention on CUDA: custom operators over the Triton kernels, one node each to a compiler.

Given the norm's scale and shift they read the convolution's output and recompute the activation, so
the map of R C channels is never written. Sums are in float32 (float64 for float64 maps).
``TRITON_INTERPRET=1`` runs them on a CPU, slowly.
"""

import os

import torch
import triton
import triton.language as tl
from torch import Tensor

from resnest_dense.errors import ResNeStError
from resnest_dense.ops.reference import radix_attention
from resnest_dense.ops.triton_kernels import backward_kernel, pool_kernel, sum_kernel

__all__ = ["READS_CONVOLUTION", "radix_attention", "radix_pool", "radix_sum"]

READS_CONVOLUTION = True

_TILE = 4096
_PROGRAMS = 1024


def radix_pool(x: Tensor, radix: int, scale: Tensor | None = None,
               shift: Tensor | None = None) -> Tensor:
    """:func:`resnest_dense.ops.reference.radix_pool`: R C values in for each pixel, none out."""
    return _pool(x, scale, shift, radix)


def radix_sum(x: Tensor, attention: Tensor, radix: int, scale: Tensor | None = None,
              shift: Tensor | None = None) -> Tensor:
    """:func:`resnest_dense.ops.reference.radix_sum`: R C values in and C out for each pixel."""
    return _sum(x, attention, scale, shift, radix)


@torch.library.custom_op("resnest_dense::radix_pool", mutates_args=())
def _pool(x: Tensor, scale: Tensor | None, shift: Tensor | None, radix: int) -> Tensor:
    x = _dense(x)
    batch, channels = x.shape[0], x.shape[1] // radix
    if x.numel() == 0:
        return x.new_zeros(batch, channels, 1, 1)
    grid, sizes = _plan(x, radix)
    sums = x.new_empty(batch, grid[1], channels, dtype=_sum_type(x))
    pool_kernel[grid](x, *_or(x, scale, shift), sums, channels, x[0, 0].numel(), grid[1],
                      *_strides(x), R=radix, AFFINE=scale is not None, **_constants(x), **sizes)
    return (sums.sum(1) / x[0, 0].numel()).to(x.dtype)[:, :, None, None]


@torch.library.custom_op("resnest_dense::radix_sum", mutates_args=())
def _sum(x: Tensor, attention: Tensor, scale: Tensor | None, shift: Tensor | None,
         radix: int) -> Tensor:
    x = _dense(x)
    out = _map_like(x, x.shape[1] // radix)
    if out.numel():
        grid, sizes = _plan(x, radix, steps=1)
        sizes.pop("STEPS")
        sum_kernel[grid](x, attention.contiguous(), *_or(x, scale, shift), out, out.shape[1],
                         x[0, 0].numel(), *_strides(x), *_strides(out), R=radix,
                         AFFINE=scale is not None, **_constants(x), **sizes)
    return out


@torch.library.custom_op("resnest_dense::radix_backward", mutates_args=())
def _backward(x: Tensor, weights: Tensor, grad: Tensor | None, scale: Tensor | None,
              shift: Tensor | None, radix: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient of x; and sum(grad x) and sum(grad) where the activation is positive, (N, R * C)."""
    x, weights = _dense(x), weights.contiguous()
    grad_x = _map_like(x, x.shape[1])
    if x.numel() == 0:
        sums = x.new_zeros(2, x.shape[0], 1, x.shape[1], dtype=_sum_type(x))
    else:
        grid, sizes = _plan(x, radix)
        sums = x.new_empty(2, x.shape[0], grid[1], x.shape[1], dtype=_sum_type(x))
        grad_map = _in_layout_of(x, grad) if grad is not None else x
        backward_kernel[grid](
            x, weights, grad_map, *_or(x, scale, shift), grad_x, *sums, x.shape[1] // radix,
            x[0, 0].numel(), grid[1], *_strides(x), *_strides(grad_map), R=radix,
            MAP=grad is not None, AFFINE=scale is not None, **_constants(x), **sizes,
        )
    return grad_x, sums[0].sum(1), sums[1].sum(1)


@_pool.register_fake
def _(x, scale, shift, radix):
    return x.new_empty(x.shape[0], x.shape[1] // radix, 1, 1)


@_sum.register_fake
def _(x, attention, scale, shift, radix):
    return _map_like(x, x.shape[1] // radix)


@_backward.register_fake
def _(x, weights, grad, scale, shift, radix):
    return (_map_like(x, x.shape[1]), *(x.new_empty(x.shape[:2], dtype=_sum_type(x)) for _ in "12"))


def _keep_pool(ctx, inputs, output):
    x, scale, shift, ctx.radix = inputs
    ctx.save_for_backward(x, scale, shift)


def _pool_backward(ctx, grad):
    x, scale, shift = ctx.saved_tensors
    weights = grad.flatten(1).to(_sum_type(x)).repeat(1, ctx.radix) / (x.shape[2] * x.shape[3])
    grad_x, products, counts = _backward(x, weights, None, scale, shift, ctx.radix)
    return grad_x, *_affine_gradients(scale, shift, weights, products, counts), None


def _keep_sum(ctx, inputs, output):
    x, attention, scale, shift, ctx.radix = inputs
    ctx.save_for_backward(x, attention, scale, shift)


def _sum_backward(ctx, grad):
    x, attention, scale, shift = ctx.saved_tensors
    weights = attention.flatten(1).to(_sum_type(x))
    grad_x, products, counts = _backward(x, weights, grad, scale, shift, ctx.radix)
    by_attention = products if scale is None else scale * products + shift * counts
    return (grad_x, by_attention.to(attention.dtype)[:, :, None, None],
            *_affine_gradients(scale, shift, weights, products, counts), None)


def _affine_gradients(scale, shift, weights, products, counts):
    if scale is None:
        return None, None
    return (weights * products).sum(0).to(scale.dtype), (weights * counts).sum(0).to(shift.dtype)


_pool.register_autograd(_pool_backward, setup_context=_keep_pool)
_sum.register_autograd(_sum_backward, setup_context=_keep_sum)


def _plan(x: Tensor, radix: int, steps: int = 16) -> tuple[tuple[int, int, int], dict[str, int]]:
    """The grid (images, runs of pixels, blocks of channels) and the sizes of a tile: long in the
    dimension that lies together in memory, and few steps a program where there is little to do.
    """
    if not (x.is_cuda or os.environ.get("TRITON_INTERPRET") == "1"):
        raise ResNeStError(
            f"RESNEST_DENSE_OPS=triton got a tensor on {x.device}: move it to CUDA, unset the "
            "variable, or set TRITON_INTERPRET=1 to run the kernels on a CPU, slowly."
        )
    channels, pixels = x.shape[1] // radix, x.shape[2] * x.shape[3]
    widest = 128 if x.stride(1) == 1 else 8
    block_c = min(triton.next_power_of_2(channels), widest)
    block_p = min(triton.next_power_of_2(pixels), _TILE // block_c)
    blocks, tiles = triton.cdiv(channels, block_c), triton.cdiv(pixels, block_p)
    steps = max(1, min(steps, x.shape[0] * blocks * tiles // _PROGRAMS))
    return ((x.shape[0], triton.cdiv(tiles, steps), blocks),
            dict(BLOCK_C=block_c, BLOCK_P=block_p, STEPS=steps))


def _constants(x: Tensor) -> dict:
    return {"ACC": tl.float64 if x.dtype == torch.float64 else tl.float32}


def _sum_type(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _or(x: Tensor, *tensors: Tensor | None) -> list[Tensor]:
    """Pointers that are never read stand for tensors that are not there."""
    return [x if tensor is None else tensor.contiguous() for tensor in tensors]


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _dense(x: Tensor) -> Tensor:
    return x if _is_channels_last(x) else x.contiguous()


def _in_layout_of(x: Tensor, tensor: Tensor) -> Tensor:
    layout = torch.channels_last if _is_channels_last(x) else torch.contiguous_format
    return tensor.contiguous(memory_format=layout)


def _map_like(x: Tensor, channels: int) -> Tensor:
    layout = torch.channels_last if _is_channels_last(x) else torch.contiguous_format
    return torch.empty(x.shape[0], channels, *x.shape[2:], dtype=x.dtype, device=x.device,
                       memory_format=layout)


def _strides(x: Tensor) -> tuple[int, int, int]:
    """Strides of image, channel and pixel; pixels lie evenly in both layouts."""
    return x.stride(0), x.stride(1), x.shape[1] if _is_channels_last(x) else 1
