"""Batch norm over the values of all processes, on any device."""

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["SyncBatchNorm", "batch_moments", "normalises_alone", "replace_sync_batch_norms"]


class SyncBatchNorm(nn.BatchNorm2d):
    """Batch norm over the values of all processes, on any device.

    One process: plain batch norm. CUDA: torch's own kernels. CPU: two all-reduces, because
    ``torch.nn.SyncBatchNorm`` refuses CPU tensors, and DistributedDataParallel refuses it on CPU.

    A process without values (a batch without objects, to a box head) takes part with none.

    Shape:
        (N, C, H, W) -> the same; N, H, W may differ between processes, and be 0
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or normalises_alone(self):
            if self.training and not x.numel():  # torch refuses it, and there is nothing to learn.
                return x * self.weight[:, None, None] + self.bias[:, None, None]
            return super().forward(x)
        self._check_input_dim(x)
        if x.is_cuda:
            return self._normalise_on_cuda(x)
        if x.numel():
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        else:
            var = mean = x.sum((0, 2, 3))
        mean, var = batch_moments(self, mean, var, x.numel() / x.shape[1])
        scale = (var + self.eps).rsqrt() * self.weight
        return (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]

    def _normalise_on_cuda(self, x: Tensor) -> Tensor:
        momentum = _count_batch(self) if self.track_running_stats else 0.0
        statistics = ((self.running_mean, self.running_var) if self.track_running_stats
                      else (None, None))
        return nn.modules._functions.SyncBatchNorm.apply(
            x.contiguous(), self.weight, self.bias, *statistics, self.eps, momentum,
            dist.group.WORLD, dist.get_world_size(),
        )


def batch_moments(norm: nn.BatchNorm2d, mean: Tensor, var: Tensor, count: float
                  ) -> tuple[Tensor, Tensor]:
    """Mean and variance (biased) that a batch norm in training normalises by: those of its own
    values, or for a :class:`SyncBatchNorm` those of all processes. Its running statistics move.

    Args:
        norm: the batch norm.
        mean: of this process's values, (C,).
        var: biased, of this process's values, (C,).
        count: how many values a channel has here.

    Shape:
        (C,), (C,) -> (C,), (C,)
    """
    total = mean.new_full((), count)
    if not normalises_alone(norm):
        # Takes a while to import, and is for several processes alone.
        import torch.distributed.nn.functional as dist_nn

        own_mean, own_total = mean, total
        sums = dist_nn.all_reduce(torch.cat([mean * total, total[None]]), group=dist.group.WORLD)
        total = sums[-1].detach()
        mean = sums[:-1] / total.clamp(min=1)
        # Squares about the common mean: the difference of two large sums would lose digits.
        spread = (var + (own_mean - mean).square()) * own_total
        var = dist_nn.all_reduce(spread, group=dist.group.WORLD) / total.clamp(min=1)
    if norm.track_running_stats:
        with torch.no_grad():
            momentum = _count_batch(norm) * (total > 0).to(norm.running_mean.dtype)
            norm.running_mean.lerp_(mean.to(norm.running_mean), momentum)
            unbiased = var * total / (total - 1).clamp(min=1)
            norm.running_var.lerp_(unbiased.to(norm.running_var), momentum)
    return mean, var


def _count_batch(norm: nn.BatchNorm2d) -> float:
    """Counts a batch and returns the share that it has in the running statistics."""
    counted = norm.num_batches_tracked.add_(1)
    return norm.momentum if norm.momentum is not None else 1.0 / float(counted)


def normalises_alone(norm: nn.Module) -> bool:
    """Whether a batch norm sees the values of this process only."""
    several = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    return not several or type(norm) is nn.BatchNorm2d


def replace_sync_batch_norms(module: nn.Module) -> nn.Module:
    """``module`` with each ``torch.nn.SyncBatchNorm`` in it replaced by ours, names unchanged.

    The frameworks build their heads with torch's layer, which torch refuses to train on a CPU in
    several processes, as ``DistributedDataParallel`` does (all versions to 2.11).
    """
    for name, child in module.named_children():
        if isinstance(child, nn.SyncBatchNorm):
            ours = SyncBatchNorm(child.num_features, child.eps, child.momentum)
            ours.load_state_dict(child.state_dict())
            setattr(module, name, ours)
        else:
            replace_sync_batch_norms(child)
    return module
