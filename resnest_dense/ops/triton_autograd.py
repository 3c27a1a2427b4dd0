"""The steps of :mod:`resnest_dense.ops.triton` with their gradients.

Each step takes the :class:`MapGradient` of the lazy map that it reads, and in backward leaves its
part there instead of returning a gradient of the map.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from resnest_dense.ops import triton_attention_kernels as attention_kernels
from resnest_dense.ops import triton_kernels as kernels
from resnest_dense.ops.triton_launch import (
    by_run,
    each_pixel,
    in_layout_of,
    launch,
    map_like,
    strides_of,
    sum_type,
)

__all__ = ["BatchNorm", "MapGradient", "Moments", "Normalise", "Owner", "Pool", "Sum"]

# Gradients by the arguments of a step; None for what is no tensor, and for the lazy map.
Gradients = tuple[Tensor | None, ...]


class MapGradient:
    """What the readers of a lazy map leave in backward for the pass that writes the gradient of its
    ``x``: they return none themselves, and the owner of ``x`` comes behind them all."""

    map: Tensor | None
    weights: Tensor | None
    pool: Tensor | None
    scale: Tensor | None
    shift: Tensor | None
    offset: Tensor | None
    slope: Tensor | None

    def __init__(self):
        self._forget()

    def leave(self, scale: Tensor | None, shift: Tensor | None, **what: object) -> None:
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
        out = map_like(x, x.shape[1])
        pointers = _fill_missing(x, grad, self.weights, self.pool, self.scale, self.shift,
                                 self.offset, self.slope)
        each_pixel(attention_kernels.gradient_kernel, x, x.shape[1] // self.radix,
                   (x, *pointers, out), strides_of(x) + strides_of(grad), R=self.radix,
                   MAP=self.map is not None, WEIGHTS=self.weights is not None,
                   POOL=self.pool is not None, RELU=self.relu, AFFINE=self.scale is not None,
                   MOMENTS=self.slope is not None)
        self._forget()
        return out


class Owner(torch.autograd.Function):
    """``x`` under a name of its own, whose gradient is what all its readers have left."""

    @staticmethod
    def forward(ctx: Any, gradient: MapGradient, x: Tensor) -> Tensor:
        ctx.gradient = gradient
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(False)  # The readers return None, which need not become zeros.
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: None) -> Gradients:
        return None, ctx.gradient.write(*ctx.saved_tensors)


class Moments(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, gradient: MapGradient, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, var = _moments(x)
        ctx.gradient, ctx.count = gradient, x.numel() / x.shape[1]
        ctx.save_for_backward(mean)
        return mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_var: Tensor) -> Gradients:
        mean, = ctx.saved_tensors
        ctx.gradient.slope = grad_var * (2 / ctx.count)
        ctx.gradient.offset = grad_mean / ctx.count - mean * ctx.gradient.slope
        return None, None


class BatchNorm(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, gradient: MapGradient, x: Tensor, weight: Tensor, bias: Tensor,
                norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
        (means, squares), tiling = by_run(kernels.moments_kernel, x, 2, x.shape[1], (x,),
                                          strides_of(x))
        scale, shift, mean, rstd = means.new_empty(4, x.shape[1]).unbind()
        track, block_c, rows = norm.track_running_stats, 16, tiling.images * tiling.runs
        statistics = ((norm.running_mean, norm.running_var, norm.num_batches_tracked) if track
                      else (mean, mean, mean))
        launch(kernels.batch_norm_kernel, (-(-x.shape[1] // block_c),),
               (means, squares, weight, bias, *statistics, scale, shift, mean, rstd),
               (x.shape[1], rows, tiling.runs, tiling.pixels, tiling.length),
               MOMENTUM=norm.momentum, EPS=norm.eps, TRACK=track, ACC=kernels.ACC[means.dtype],
               BLOCK_C=block_c, BLOCK_R=128, STEPS=_next_power_of_2(-(-rows // 128)))
        ctx.gradient, ctx.count = gradient, tiling.images * tiling.pixels
        ctx.save_for_backward(weight, mean, rstd)
        return scale, shift

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_scale: Tensor, by_shift: Tensor) -> Gradients:
        weight, mean, rstd = ctx.saved_tensors
        by_weight, by_bias = torch.empty_like(weight), torch.empty_like(weight)
        offset, slope = torch.empty_like(mean), torch.empty_like(mean)
        block_c = 128
        launch(kernels.batch_norm_gradient_kernel, (-(-len(mean) // block_c),),
               (by_scale.contiguous(), by_shift.contiguous(), weight, mean, rstd, by_weight,
                by_bias, offset, slope), (len(mean), ctx.count), ACC=kernels.ACC[mean.dtype],
               BLOCK_C=block_c)
        ctx.gradient.offset, ctx.gradient.slope = offset, slope
        return None, None, by_weight, by_bias, None


class Normalise(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, gradient: MapGradient, x: Tensor, scale: Tensor, shift: Tensor,
                residual: Tensor | None, relu: bool) -> Tensor:
        out = map_like(x, x.shape[1])
        if residual is not None:
            residual = in_layout_of(x, residual)
        each_pixel(kernels.normalise_kernel, x, x.shape[1],
                   (x, *_fill_missing(x, scale, shift, residual), out), strides_of(x), RELU=relu,
                   RESIDUAL=residual is not None)
        ctx.gradient, ctx.relu, ctx.residual = gradient, relu, residual is not None
        # Behind a residual the ReLU is read off the output, which the next layer keeps anyway.
        ctx.save_for_backward(x, scale, shift, out if relu and ctx.residual else None)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Gradients:
        x, scale, shift, out = ctx.saved_tensors
        grad = in_layout_of(x, grad)
        masked = grad if out is None else torch.empty_like(grad)
        sums, _ = by_run(kernels.normalise_sums_kernel, x, 2, x.shape[1],
                         (x, grad, *_fill_missing(x, out, scale, shift), masked), strides_of(x),
                         RELU=ctx.relu, RESIDUAL=out is not None)
        ctx.gradient.leave(scale, shift, map=masked, relu=ctx.relu and out is None)
        by_affine = sums.sum((1, 2)).to(scale.dtype).unbind()
        return None, None, *by_affine, masked if ctx.residual else None, None


class Pool(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, gradient: MapGradient, x: Tensor, scale: Tensor | None,
                shift: Tensor | None, radix: int) -> Tensor:
        sums, _ = by_run(attention_kernels.pool_kernel, x, 2, x.shape[1],
                         (x, *_fill_missing(x, scale, shift)), strides_of(x),
                         AFFINE=scale is not None)
        sums = sums.sum(2)
        ctx.gradient, ctx.radix, ctx.pixels = gradient, radix, x.shape[2] * x.shape[3]
        ctx.save_for_backward(scale, shift, sums)
        total = sums[0]
        if scale is not None:
            assert shift is not None  # They come together.
            total = torch.addcmul(shift * sums[1], scale, sums[0])
        total = total.unflatten(1, (radix, -1)).sum(1)
        return (total / ctx.pixels).to(x.dtype)[:, :, None, None]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Gradients:
        scale, shift, sums = ctx.saved_tensors
        grad = grad.flatten(1) / ctx.pixels
        ctx.gradient.leave(scale, shift, radix=ctx.radix, pool=grad, relu=scale is not None)
        by_affine = (None, None)
        if scale is not None:
            by_affine = (grad.repeat(1, ctx.radix) * sums).sum(1).to(scale.dtype).unbind()
        return None, None, *by_affine, None


class Sum(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, gradient: MapGradient, x: Tensor, attention: Tensor,
                scale: Tensor | None, shift: Tensor | None, radix: int) -> Tensor:
        out = map_like(x, x.shape[1] // radix)
        each_pixel(attention_kernels.sum_kernel, x, out.shape[1],
                   (x, attention.contiguous(), *_fill_missing(x, scale, shift), out),
                   strides_of(x) + strides_of(out), R=radix, AFFINE=scale is not None)
        ctx.gradient, ctx.radix = gradient, radix
        ctx.save_for_backward(x, attention, scale, shift)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Gradients:
        x, attention, scale, shift = ctx.saved_tensors
        grad, weights = in_layout_of(x, grad), attention.flatten(1).to(sum_type(x))
        sums, _ = by_run(attention_kernels.weighted_sums_kernel, x, 2, grad.shape[1],
                         (x, grad, *_fill_missing(x, scale, shift)),
                         strides_of(x) + strides_of(grad), R=ctx.radix, AFFINE=scale is not None)
        sums = sums.sum(2)
        ctx.gradient.leave(scale, shift, radix=ctx.radix, map=grad, weights=weights,
                           relu=scale is not None)
        by_attention, by_affine = sums[0], (None, None)
        if scale is not None:
            by_attention = torch.addcmul(shift * sums[1], scale, sums[0])
            by_affine = (weights * sums).sum(1).to(scale.dtype).unbind()
        return None, None, by_attention.to(attention.dtype)[:, :, None, None], *by_affine, None


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over images and pixels, merged from those of the runs."""
    (means, squares), tiling = by_run(kernels.moments_kernel, x, 2, x.shape[1], (x,),
                                      strides_of(x))
    counts = means.new_full((tiling.runs, 1), tiling.length)
    counts[-1] = tiling.pixels - tiling.length * (tiling.runs - 1)
    total = tiling.images * tiling.pixels
    mean = (means * counts).sum((0, 1)) / total
    return mean, (squares + counts * (means - mean).square()).sum((0, 1)) / total


def _next_power_of_2(count: int) -> int:
    """So that a kernel is compiled for few lengths of a loop."""
    return 1 << (count - 1).bit_length()


def _fill_missing(x: Tensor, *tensors: Tensor | None) -> list[Tensor]:
    """``tensors``, where ``x`` stands for those that are not there, and is never read as one;
    vectors are dense."""
    return [x if t is None else t if t.dim() == x.dim() else t.contiguous() for t in tensors]
