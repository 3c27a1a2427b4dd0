"""The 3x3 of a block, by the name of its kind."""

from collections.abc import Callable

from torch import nn

from resnest_dense.architectures import Architecture
from resnest_dense.nn.spatial.deform import Deformable
from resnest_dense.nn.spatial.plain import plain_conv
from resnest_dense.nn.spatial.selective_kernel import selective_kernel
from resnest_dense.nn.spatial.split_attention import split_attention

__all__ = ["Spatial", "make_spatial"]

# Makes the 3x3 of a block: Spatial(channels, stride=..., dilation=..., norm=...) -> (N, C, H, W) to
# (N, C, ceil(H / stride), ceil(W / stride)).
Spatial = Callable[..., nn.Module]

_KINDS: dict[str, Callable[[Architecture, Deformable | None], Spatial]] = {
    "split": split_attention, "conv": plain_conv, "sk": selective_kernel}


def make_spatial(architecture: Architecture, deform: Deformable | None = None) -> Spatial:
    """What makes the 3x3 of an architecture, plain or deformable.

    Raises:
        ResNeStValueError: the kind has no deformable form.
    """
    return _KINDS[architecture.spatial](architecture, deform)
