"""A batch norm as a scale and a shift, for kernels that apply it while they read."""

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as dist_nn
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from resnest_dense.nn.norm import FrozenBatchNorm2d, SyncBatchNorm, normalises_alone

__all__ = ["constant_affine", "norm_affine"]


def norm_affine(norm: nn.Module | None, x: Tensor) -> tuple[Tensor, Tensor] | None:
    """Scale and shift with ``norm(x) = x * scale + shift`` in float32, through which gradients reach
    ``x`` and the norm; running statistics move. None for norms that are not of that form.

    Shape:
        (N, C, H, W) -> (C,), (C,)
    """
    constant = constant_affine(norm)
    if constant is not None or type(norm) not in (nn.BatchNorm2d, SyncBatchNorm):
        return constant
    if norm.weight is None:
        return None
    mean, var = _moments(norm, x)
    scale = norm.weight * (var + norm.eps).rsqrt()
    return scale, norm.bias - mean * scale


def constant_affine(norm: nn.Module | None) -> tuple[Tensor, Tensor] | None:
    """Scale and shift of a norm that does not depend on its input: frozen (ours or detectron2's), or
    a batch norm in eval mode; None for others.
    """
    frozen = type(norm).__name__ == FrozenBatchNorm2d.__name__
    still = isinstance(norm, nn.modules.batchnorm._BatchNorm) and not norm.training
    if not (frozen or still) or norm.running_mean is None:
        return None
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.weight is None:
        return scale, -norm.running_mean * scale
    scale = scale * norm.weight
    return scale, norm.bias - norm.running_mean * scale


def _moments(norm: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance per channel, over all processes for a SyncBatchNorm."""
    mean, var = _Moments.apply(x)
    count = x.new_tensor(x.numel() / x.shape[1], dtype=mean.dtype)
    if not normalises_alone(norm):
        own_mean, own_count = mean, count
        total = dist_nn.all_reduce(torch.cat([mean * count, count[None]]), group=dist.group.WORLD)
        count, mean = total[-1].detach(), total[:-1] / total[-1].detach()
        spread = (var + (own_mean - mean).square()) * own_count
        var = dist_nn.all_reduce(spread, group=dist.group.WORLD) / count
    if norm.track_running_stats:
        with torch.no_grad():
            norm.num_batches_tracked.add_(1)
            momentum = norm.momentum
            if momentum is None:
                momentum = 1.0 / float(norm.num_batches_tracked)
            norm.running_mean.lerp_(mean.to(norm.running_mean), momentum)
            unbiased = var * count / (count - 1).clamp(min=1)
            norm.running_var.lerp_(unbiased.to(norm.running_var), momentum)
    return mean, var


class _Moments(torch.autograd.Function):
    """Mean and variance in float32 at least, keeping nothing of the map's size but the map."""

    @staticmethod
    def forward(ctx, x):
        if x.is_cuda:
            # The one kernel that sums half-precision maps in float32 without a copy.
            mean, deviation = torch.batch_norm_stats(x, 0.0)
            var = deviation.square().reciprocal()
        else:
            var, mean = torch.var_mean(x if x.dtype == torch.float64 else x.float(), (0, 2, 3),
                                       correction=0)
        ctx.save_for_backward(x, mean)
        return mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_mean, grad_var):
        x, mean = ctx.saved_tensors
        count = x.numel() / x.shape[1]
        slope = 2 * grad_var / count
        offset = grad_mean / count - mean * slope
        grad = torch.addcmul(offset[:, None, None], x, slope[:, None, None])
        return grad.to(x.dtype)
