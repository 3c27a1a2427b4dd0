"""A norm as a factor and a summand of each channel."""

from typing import Any

from torch import Tensor, nn

__all__ = ["constant_affine"]


def constant_affine(norm: nn.Module | None) -> tuple[Tensor, Tensor] | None:
    """Scale and shift with ``norm(x) = x * scale + shift`` of a norm that does not depend on its
    input: frozen (ours or detectron2's), or a batch norm in eval mode; None for others.

    Shape:
        -> (C,), (C,)
    """
    frozen = type(norm).__name__ == "FrozenBatchNorm2d"
    still = isinstance(norm, nn.modules.batchnorm._BatchNorm) and not norm.training
    layer: Any = norm  # The three have no type in common.
    if not (frozen or still) or layer.running_mean is None:
        return None
    scale = (layer.running_var + layer.eps).rsqrt()
    if layer.weight is None:
        return scale, -layer.running_mean * scale
    scale = scale * layer.weight
    return scale, layer.bias - layer.running_mean * scale
