"""Normalisation layers by name, and what split attention needs of them."""

import functools
import logging
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from resnest_dense.errors import ResNeStValueError, near
from resnest_dense.nn.sync_norm import SyncBatchNorm, normalises_alone

__all__ = ["NORM_NAMES", "FrozenBatchNorm2d", "Norm", "apply_pooled_norm", "freeze_batch_norms",
           "make_norm", "make_pooled_norm"]

Norm = str | Callable[[int], nn.Module]

_logger = logging.getLogger(__name__)


class FrozenBatchNorm2d(nn.Module):
    """Batch norm whose statistics, weight and bias are constants (buffers).

    Args:
        num_features: channels C.
        eps: added to the variance.

    Shape:
        (N, C, H, W) -> the same
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor | None

    def __init__(self, num_features: int, eps: float = 1e-5):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.register_buffer("weight", torch.ones(num_features))
        self.register_buffer("bias", torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        # As in detectron2: a layer that was never loaded is exactly the identity.
        self.register_buffer("running_var", torch.ones(num_features) - eps)
        # Kept by layers that were frozen out of a batch norm, as in detectron2, so that the names
        # of a state dict are the same.
        self.register_buffer("num_batches_tracked", None)

    @classmethod
    def from_batch_norm(cls, norm: _BatchNorm) -> "FrozenBatchNorm2d":
        """A frozen layer with the statistics, weight and bias of ``norm``."""
        frozen = cls(norm.num_features, norm.eps).to(norm.running_mean)
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            value = getattr(norm, name)
            if value is not None:
                setattr(frozen, name, value.detach().clone())
        return frozen

    def forward(self, x: Tensor) -> Tensor:
        if not x.requires_grad:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        # One multiply-add keeps only the scale for backward; batch_norm would keep its input.
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.to(x.dtype)[:, None, None] + shift.to(x.dtype)[:, None, None]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        # A released file may have the counter or not, whichever way its layer was frozen.
        key = prefix + "num_batches_tracked"
        if self.num_batches_tracked is None:
            state_dict.pop(key, None)
        else:
            state_dict.setdefault(key, self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}"


def _group_norm(channels: int) -> nn.GroupNorm:
    # 32 groups as everywhere in detectron2; the widths that 32 does not divide (80 in the 40d
    # networks) get the largest number of groups that does.
    return nn.GroupNorm(math.gcd(32, channels), channels)


_NORMS = {
    "BN": nn.BatchNorm2d,
    "SyncBN": SyncBatchNorm,
    "FrozenBN": FrozenBatchNorm2d,
    "GN": _group_norm,
    "": lambda channels: None,
}
NORM_NAMES = tuple(_NORMS)


def make_norm(norm: Norm, channels: int) -> nn.Module | None:
    """The norm layer of a feature map.

    Args:
        norm: "BN", "SyncBN", "FrozenBN", "GN", "" (none) or a callable ``channels -> Module``.
        channels: channels of the map.

    Raises:
        ResNeStValueError: an unknown name.
    """
    if callable(norm):
        return norm(channels)
    if norm not in NORM_NAMES:
        raise ResNeStValueError(f"Unknown norm {norm!r}. {near(norm, map(repr, _NORMS))}")
    return _NORMS[norm](channels)


def make_pooled_norm(norm: Norm, channels: int) -> nn.Module | None:
    """The norm layer of a globally pooled map (the attention's): as :func:`make_norm`, but "GN" has
    one group, because with 32 channels its 32 groups would each normalise a single value to 0.
    """
    return nn.GroupNorm(1, channels) if norm == "GN" else make_norm(norm, channels)


def apply_pooled_norm(norm: nn.Module | None, x: Tensor) -> Tensor:
    """``norm(x)`` (``x`` for none), where a batch norm in training that would see one value per
    channel uses its running statistics (and leaves them alone): the variance of one value is 0.

    Args:
        norm: the attention's norm.
        x: pooled map.

    Shape:
        (N, C, 1, 1) -> the same
    """
    if norm is None:
        return x
    if not (norm.training and isinstance(norm, _BatchNorm) and x.numel() == x.shape[1]):
        return norm(x)
    if not normalises_alone(norm) or norm.running_mean is None:
        return norm(x)
    if not torch.compiler.is_compiling():
        _say_once_that_running_statistics_serve()
    return F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
    )


@functools.cache
def _say_once_that_running_statistics_serve() -> None:
    _logger.warning(
        "Batch of one image: the attention's batch norm sees one value per channel and uses its "
        "running statistics. Two images per process, SyncBN, GN or FrozenBN avoid it."
    )


def freeze_batch_norms(module: nn.Module) -> nn.Module:
    """``module`` with every batch norm in it replaced by a :class:`FrozenBatchNorm2d`, and no
    parameter that needs a gradient. Returns the replacement where ``module`` is itself a norm.
    """
    for parameter in module.parameters(recurse=False):
        parameter.requires_grad = False
    if isinstance(module, _BatchNorm):
        return FrozenBatchNorm2d.from_batch_norm(module)
    for name, child in module.named_children():
        setattr(module, name, freeze_batch_norms(child))
    return module
