"""A norm as a factor and a summand of each channel."""

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
    if not (frozen or still) or norm.running_mean is None:
        return None
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.weight is None:
        return scale, -norm.running_mean * scale
    scale = scale * norm.weight
    return scale, norm.bias - norm.running_mean * scale
