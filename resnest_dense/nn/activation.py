"""What follows a convolution: its norm, a residual, a ReLU, in as few passes as the device
allows."""

from typing import TypeGuard

from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense import ops
from resnest_dense.inference.folded import Folded
from resnest_dense.nn.memory import may_recompute, recomputed, recomputed_relu
from resnest_dense.nn.sync_norm import SyncBatchNorm, batch_moments, normalises_alone
from resnest_dense.ops.affine import constant_affine

__all__ = ["lazy_norm_relu", "norm_relu"]


def norm_relu(norm: nn.Module | None, x: Tensor, residual: Tensor | None = None, *,
              relu: bool = True) -> Tensor:
    """``relu(norm(x) + residual)``, each part where there is one.

    Where only a norm and a ReLU follow, backward makes the result again from ``x``.

    Args:
        norm: norm of the convolution, None for none.
        x: the convolution's output, which may be overwritten.
        residual: what is added before the ReLU.
        relu: whether a ReLU follows.

    Shape:
        (N, C, H, W), (N, C, H, W) -> the same
    """
    lazy = _lazy(norm, x)
    if lazy is not None:
        y = lazy.normalise(residual, relu=relu)
        if residual is not None:
            return y
        return recomputed(y, lambda lazy: lazy.normalise(relu=relu), source=lazy)
    y = x if norm is None else norm(x)
    if residual is not None:
        y += residual
    if not relu:
        return y
    if residual is None and _is_batch_norm(norm) and normalises_alone(norm) and may_recompute(y):
        return recomputed_relu(y, lambda: F.relu_(_batch_norm_again(norm, x)))
    return F.relu_(y)


def lazy_norm_relu(norm: nn.Module | None, x: Tensor) -> ops.Map:
    """``relu(norm(x))`` for the steps of split attention, which on CUDA make it as they read.

    Shape:
        (N, C, H, W) -> the same
    """
    if isinstance(norm, Folded):
        return x
    lazy = _lazy(norm, x)
    return norm_relu(norm, x) if lazy is None else lazy


def _lazy(norm: nn.Module | None, x: Tensor) -> ops.Map | None:
    """The normalised map, unwritten, where kernels read it so and the norm is a factor and a
    summand of each channel; running statistics move."""
    steps = ops.choose(x)
    if norm is None or not steps.LAZY:
        return None
    affine = constant_affine(norm)
    if affine is not None:
        return steps.LazyMap(x, *affine)
    if not _is_batch_norm(norm) or norm.weight is None:
        return None
    if normalises_alone(norm) and norm.momentum is not None and x.numel():
        return steps.LazyMap.batch_normed(x, norm)
    lazy = steps.LazyMap(x)
    mean, var = lazy.moments()
    mean, var = batch_moments(norm, mean, var, x.numel() / x.shape[1])
    lazy.scale = norm.weight * (var + norm.eps).rsqrt()
    lazy.shift = norm.bias - mean * lazy.scale
    return lazy


def _is_batch_norm(norm: nn.Module | None) -> TypeGuard[nn.BatchNorm2d]:
    return type(norm) in (nn.BatchNorm2d, SyncBatchNorm)


def _batch_norm_again(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    of_batch = norm.training or norm.running_mean is None
    statistics = (None, None) if of_batch else (norm.running_mean, norm.running_var)
    return F.batch_norm(x, *statistics, norm.weight, norm.bias, of_batch, 0.0, norm.eps)
