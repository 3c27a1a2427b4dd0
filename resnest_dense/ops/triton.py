"""Batch norms and split attention on CUDA, in as few passes over memory as their arithmetic needs.

A :class:`LazyMap` stands for ``relu(x * scale + shift)`` of a convolution's output ``x``: whatever
reads it makes it again from ``x``, and in backward one pass writes the whole gradient of ``x`` (that
of the map, of the pool and of the norm's moments), where autograd would write and add three.

Sums are in float32 (float64 for float64 maps). ``TRITON_INTERPRET=1`` runs the kernels on a CPU,
slowly. Gradients cannot be differentiated again.
"""

import os
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from resnest_dense.errors import ResNeStError
from resnest_dense.ops import triton_kernels as kernels
from resnest_dense.ops.reference import radix_attention

__all__ = ["LAZY", "LazyMap", "radix_attention", "radix_pool", "radix_sum"]

LAZY = True

# Values of a tile, warps of a program; and of a sum over pixels, the tiles of a program, where there
# are enough of them to keep this many programs busy.
TILE, WARPS, STEPS, PROGRAMS = 4096, 4, 16, 1024


class LazyMap:
    """``relu(x * scale + shift)``, not written; or ``x`` itself, where there is no scale.

    Args:
        x: a convolution's output, (N, C, H, W).
        scale: factor of each channel, (C,); it may depend on :meth:`moments`.
        shift: summand of each channel, (C,).
    """

    def __init__(self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None):
        self.gradient = _MapGradient()
        x = _dense(x)
        owned = x.requires_grad and torch.is_grad_enabled()
        self.x = _Owner.apply(self.gradient, x) if owned else x
        self.scale, self.shift = scale, shift

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel of ``x``, with gradients.

        Shape:
            -> (C,), (C,) in float32 at least
        """
        return _Moments.apply(self.gradient, self.x)

    def normalise(self, residual: Tensor | None = None, *, relu: bool) -> Tensor:
        """``relu(x * scale + shift + residual)``, written; relu and residual where there is one.

        Shape:
            (N, C, H, W) -> (N, C, H, W)
        """
        return _Normalise.apply(self.gradient, self.x, self.scale, self.shift, residual, relu)

    def detach(self) -> "LazyMap":
        """The same map for a pass without gradients."""
        return LazyMap(self.x.detach(), *(t if t is None else t.detach()
                                          for t in (self.scale, self.shift)))


def radix_pool(x: Tensor | LazyMap, radix: int, scale: Tensor | None = None,
               shift: Tensor | None = None) -> Tensor:
    """:func:`resnest_dense.ops.reference.radix_pool`: R C values in for each pixel, none out."""
    lazy = x if isinstance(x, LazyMap) else LazyMap(x, scale, shift)
    return _Pool.apply(lazy.gradient, lazy.x, lazy.scale, lazy.shift, radix)


def radix_sum(x: Tensor | LazyMap, attention: Tensor, radix: int, scale: Tensor | None = None,
              shift: Tensor | None = None) -> Tensor:
    """:func:`resnest_dense.ops.reference.radix_sum`: R C values in and C out for each pixel."""
    lazy = x if isinstance(x, LazyMap) else LazyMap(x, scale, shift)
    return _Sum.apply(lazy.gradient, lazy.x, attention, lazy.scale, lazy.shift, radix)


class _MapGradient:
    """What the readers of a lazy map leave in backward for the pass that writes the gradient of its
    ``x``: they return none themselves, and the owner of ``x`` comes behind them all."""

    def __init__(self):
        self._forget()

    def leave(self, scale: Tensor | None, shift: Tensor | None, **what) -> None:
        """One reader's part: its ``map`` and ``weights``, or its ``pool``."""
        self.scale, self.shift = scale, shift
        vars(self).update(what)

    def _forget(self) -> None:
        self.radix, self.relu = 1, False
        self.map = self.weights = self.pool = None
        self.scale = self.shift = self.offset = self.slope = None

    def write(self, x: Tensor) -> Tensor:
        """The gradient of ``x``, all of it."""
        grad = x if self.map is None else self.map
        out = _map_like(x, x.shape[1])
        pointers = _or(x, grad, self.weights, self.pool, self.scale, self.shift, self.offset,
                       self.slope)
        _each_pixel(kernels.gradient_kernel, x, x.shape[1] // self.radix, (x, *pointers, out),
                    _strides(x) + _strides(grad), R=self.radix, MAP=self.map is not None,
                    WEIGHTS=self.weights is not None, POOL=self.pool is not None, RELU=self.relu,
                    AFFINE=self.scale is not None, MOMENTS=self.slope is not None)
        self._forget()
        return out


class _Owner(torch.autograd.Function):
    """``x`` under a name of its own, whose gradient is what all its readers have left."""

    @staticmethod
    def forward(ctx, gradient, x):
        ctx.gradient = gradient
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(False)  # The readers return None, which need not become zeros.
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx, _):
        return None, ctx.gradient.write(*ctx.saved_tensors)


class _Moments(torch.autograd.Function):

    @staticmethod
    def forward(ctx, gradient, x):
        mean, var = _moments(x)
        ctx.gradient, ctx.count = gradient, x.numel() / x.shape[1]
        ctx.save_for_backward(mean)
        return mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_mean, grad_var):
        mean, = ctx.saved_tensors
        ctx.gradient.slope = grad_var * (2 / ctx.count)
        ctx.gradient.offset = grad_mean / ctx.count - mean * ctx.gradient.slope
        return None, None


class _Normalise(torch.autograd.Function):

    @staticmethod
    def forward(ctx, gradient, x, scale, shift, residual, relu):
        out = _map_like(x, x.shape[1])
        if residual is not None:
            residual = _in_layout_of(x, residual)
        _each_pixel(kernels.normalise_kernel, x, x.shape[1], (x, *_or(x, scale, shift, residual), out),
                    _strides(x), RELU=relu, RESIDUAL=residual is not None)
        ctx.gradient, ctx.relu, ctx.residual = gradient, relu, residual is not None
        # Behind a residual the ReLU is read off the output, which the next layer keeps anyway.
        ctx.save_for_backward(x, scale, shift, out if relu and ctx.residual else None)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, scale, shift, out = ctx.saved_tensors
        grad = _in_layout_of(x, grad)
        masked = grad if out is None else torch.empty_like(grad)
        products, counts = _sums(kernels.normalise_sums_kernel, x, 2, x.shape[1],
                                 (x, grad, *_or(x, out, scale, shift), masked), _strides(x),
                                 RELU=ctx.relu, RESIDUAL=out is not None)
        ctx.gradient.leave(scale, shift, map=masked, relu=ctx.relu and out is None)
        return (None, None, products.sum(0).to(scale.dtype), counts.sum(0).to(shift.dtype),
                masked if ctx.residual else None, None)


class _Pool(torch.autograd.Function):

    @staticmethod
    def forward(ctx, gradient, x, scale, shift, radix):
        total, *kept = _sums(kernels.pool_kernel, x, 3, x.shape[1], (x, *_or(x, scale, shift)),
                             _strides(x), AFFINE=scale is not None)
        ctx.gradient, ctx.radix, ctx.pixels = gradient, radix, x.shape[2] * x.shape[3]
        ctx.save_for_backward(scale, shift, *kept)
        total = total.unflatten(1, (radix, -1)).sum(1)
        return (total / ctx.pixels).to(x.dtype)[:, :, None, None]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        scale, shift, *kept = ctx.saved_tensors
        grad = grad.flatten(1) / ctx.pixels
        ctx.gradient.leave(scale, shift, radix=ctx.radix, pool=grad, relu=scale is not None)
        by_affine = (None, None)
        if scale is not None:
            grad = grad.repeat(1, ctx.radix)
            by_affine = [(grad * sums).sum(0).to(scale.dtype) for sums in kept]
        return None, None, *by_affine, None


class _Sum(torch.autograd.Function):

    @staticmethod
    def forward(ctx, gradient, x, attention, scale, shift, radix):
        out = _map_like(x, x.shape[1] // radix)
        _each_pixel(kernels.sum_kernel, x, out.shape[1],
                    (x, attention.contiguous(), *_or(x, scale, shift), out),
                    _strides(x) + _strides(out), R=radix, AFFINE=scale is not None)
        ctx.gradient, ctx.radix = gradient, radix
        ctx.save_for_backward(x, attention, scale, shift)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, attention, scale, shift = ctx.saved_tensors
        grad, weights = _in_layout_of(x, grad), attention.flatten(1).to(_sum_type(x))
        products, counts = _sums(kernels.weighted_sums_kernel, x, 2, grad.shape[1],
                                 (x, grad, *_or(x, scale, shift)), _strides(x) + _strides(grad),
                                 R=ctx.radix, AFFINE=scale is not None)
        ctx.gradient.leave(scale, shift, radix=ctx.radix, map=grad, weights=weights,
                           relu=scale is not None)
        by_attention, by_affine = products, (None, None)
        if scale is not None:
            by_attention = scale * products + shift * counts
            by_affine = [(weights * sums).sum(0).to(scale.dtype) for sums in (products, counts)]
        return None, None, by_attention.to(attention.dtype)[:, :, None, None], *by_affine, None


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over images and pixels, merged from those of the runs."""
    tiling = _Tiling.of(x, x.shape[1], STEPS)
    means, squares = _by_run(kernels.moments_kernel, x, 2, tiling, (x,), _strides(x))
    length = tiling.steps * tiling.block_p
    counts = means.new_full((tiling.runs, 1), length)
    counts[-1] = tiling.pixels - length * (tiling.runs - 1)
    total = tiling.images * tiling.pixels
    mean = (means * counts).sum((0, 1)) / total
    return mean, (squares + counts * (means - mean).square()).sum((0, 1)) / total


@dataclass(frozen=True)
class _Tiling:
    """How a map is cut: tiles long in the dimension that lies together in memory, several of which
    are a run, the work of one program."""

    images: int
    channels: int
    pixels: int
    block_c: int
    block_p: int
    steps: int

    @classmethod
    def of(cls, x: Tensor, channels: int, steps: int) -> "_Tiling":
        """The cut of ``x`` into blocks of ``channels``, in runs of up to ``steps`` tiles."""
        if not (x.is_cuda or os.environ.get("TRITON_INTERPRET") == "1"):
            raise ResNeStError(
                f"RESNEST_DENSE_OPS=triton got a tensor on {x.device}: move it to CUDA, unset the "
                "variable, or set TRITON_INTERPRET=1 to run the kernels on a CPU, slowly."
            )
        images, pixels = x.shape[0], x.shape[2] * x.shape[3]
        widest = 128 if x.stride(1) == 1 else 8
        block_c = min(triton.next_power_of_2(channels), widest)
        block_p = min(triton.next_power_of_2(max(pixels, 1)), TILE // block_c)
        tiles = images * triton.cdiv(channels, block_c) * triton.cdiv(pixels, block_p)
        return cls(images, channels, pixels, block_c, block_p, max(1, min(steps, tiles // PROGRAMS)))

    @property
    def runs(self) -> int:
        return triton.cdiv(triton.cdiv(self.pixels, self.block_p), self.steps)

    @property
    def blocks(self) -> int:
        return triton.cdiv(self.channels, self.block_c)

    @property
    def constants(self) -> dict[str, int]:
        return {"BLOCK_C": self.block_c, "BLOCK_P": self.block_p, "num_warps": WARPS}


def _each_pixel(kernel, x: Tensor, channels: int, pointers: tuple, strides: tuple, **constants):
    """Runs a kernel that writes a map."""
    tiling = _Tiling.of(x, channels, steps=1)
    if x.numel():
        kernel[(tiling.runs * tiling.blocks, tiling.images)](
            *pointers, channels, tiling.pixels, tiling.blocks, *strides, ACC=_ACC[_sum_type(x)],
            **tiling.constants, **constants)


def _sums(kernel, x: Tensor, count: int, channels: int, pointers: tuple, strides: tuple,
          **constants) -> Tensor:
    """The ``count`` sums over pixels that a kernel makes, (count, N, channels of x)."""
    tiling = _Tiling.of(x, channels, STEPS)
    return _by_run(kernel, x, count, tiling, pointers, strides, **constants).sum(2)


def _by_run(kernel, x: Tensor, count: int, tiling: _Tiling, pointers: tuple, strides: tuple,
            **constants) -> Tensor:
    """What a kernel finds in each run, (count, N, runs, channels of x)."""
    found = x.new_empty(count, tiling.images, tiling.runs, x.shape[1], dtype=_sum_type(x))
    if x.numel():
        programs = tiling.runs * x.shape[1] // tiling.channels * tiling.blocks
        kernel[(programs, tiling.images)](
            *pointers, *found, tiling.channels, tiling.pixels,
            tiling.runs, tiling.blocks, *strides, ACC=_ACC[_sum_type(x)],
            STEPS=tiling.steps, **tiling.constants, **constants)
    return found


_ACC = {torch.float32: tl.float32, torch.float64: tl.float64}


def _sum_type(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _or(x: Tensor, *tensors: Tensor | None) -> list[Tensor]:
    """``x`` stands for tensors that are not there, and is never read as one; vectors are dense."""
    return [x if t is None else t if t.dim() == x.dim() else t.contiguous() for t in tensors]


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
