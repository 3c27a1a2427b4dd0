"""Batch norms and split attention on CUDA, in as few passes over memory as their arithmetic needs.

A :class:`LazyMap` stands for ``relu(x * scale + shift)`` of a convolution's output ``x``: whatever
reads it makes it again from ``x``, and in backward one pass writes the whole gradient of ``x``
(that of the map, of the pool and of the norm's moments), where autograd would write and add three.

Sums are in float32 (float64 for float64 maps). ``TRITON_INTERPRET=1`` runs the kernels on a CPU,
slowly. Gradients cannot be differentiated again.
"""

import torch
from torch import Tensor, nn

from resnest_dense.ops.reference import radix_attention
from resnest_dense.ops.triton_autograd import (
    BatchNorm,
    MapGradient,
    Moments,
    Normalise,
    Owner,
    Pool,
    Sum,
)
from resnest_dense.ops.triton_launch import dense
from resnest_dense.ops.triton_pooling import avg_pool2d

__all__ = ["LAZY", "LazyMap", "avg_pool2d", "radix_attention", "radix_pool", "radix_sum"]

LAZY = True


class LazyMap:
    """``relu(x * scale + shift)``, not written; or ``x`` itself, where there is no scale.

    Args:
        x: a convolution's output, (N, C, H, W).
        scale: factor of each channel, (C,); it may depend on :meth:`moments`.
        shift: summand of each channel, (C,).
    """

    def __init__(self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None):
        self.gradient = MapGradient()
        x = dense(x)
        owned = x.requires_grad and torch.is_grad_enabled()
        self.x = Owner.apply(self.gradient, x) if owned else x
        self.scale, self.shift = scale, shift

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel of ``x``, with gradients.

        Shape:
            -> (C,), (C,) in float32 at least
        """
        return Moments.apply(self.gradient, self.x)

    @classmethod
    def batch_normed(cls, x: Tensor, norm: nn.BatchNorm2d) -> "LazyMap":
        """``x`` behind a batch norm in training over the values of this process. Its running
        statistics move; its momentum must be a number."""
        lazy = cls(x)
        lazy.scale, lazy.shift = BatchNorm.apply(lazy.gradient, lazy.x, norm.weight, norm.bias,
                                                 norm)
        return lazy

    def normalise(self, residual: Tensor | None = None, *, relu: bool) -> Tensor:
        """``relu(x * scale + shift + residual)``, written; relu and residual where there is one.

        Shape:
            (N, C, H, W) -> (N, C, H, W)
        """
        return Normalise.apply(self.gradient, self.x, self.scale, self.shift, residual, relu)

    def detach(self) -> "LazyMap":
        """The same map for a pass without gradients."""
        return LazyMap(self.x.detach(), *(t if t is None else t.detach()
                                          for t in (self.scale, self.shift)))


def radix_pool(x: Tensor | LazyMap, radix: int, scale: Tensor | None = None,
               shift: Tensor | None = None) -> Tensor:
    """:func:`resnest_dense.ops.reference.radix_pool`: R C values in for each pixel, none out."""
    lazy = x if isinstance(x, LazyMap) else LazyMap(x, scale, shift)
    return Pool.apply(lazy.gradient, lazy.x, lazy.scale, lazy.shift, radix)


def radix_sum(x: Tensor | LazyMap, attention: Tensor, radix: int, scale: Tensor | None = None,
              shift: Tensor | None = None) -> Tensor:
    """:func:`resnest_dense.ops.reference.radix_sum`: R C values in and C out for each pixel."""
    lazy = x if isinstance(x, LazyMap) else LazyMap(x, scale, shift)
    return Sum.apply(lazy.gradient, lazy.x, attention, lazy.scale, lazy.shift, radix)
