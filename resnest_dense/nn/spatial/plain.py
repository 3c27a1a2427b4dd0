"""The 3x3 of ResNet (arXiv 1512.03385) and, in groups, of ResNeXt (arXiv 1611.05431)."""

import functools
from collections.abc import Callable

from torch import nn

from resnest_dense.architectures import Architecture
from resnest_dense.nn.conv import ConvNorm
from resnest_dense.nn.norm import Norm
from resnest_dense.nn.spatial.deform import Deformable, DeformConvNorm

__all__ = ["plain_conv"]


def plain_conv(architecture: Architecture, deform: Deformable | None = None
               ) -> Callable[..., nn.Module]:
    """Makes the convolution with its norm and ReLU, given channels, stride, dilation and norm."""
    if deform is None:
        return functools.partial(_conv, groups=architecture.cardinality)
    return functools.partial(DeformConvNorm, groups=architecture.cardinality,
                             modulated=deform.modulated)


def _conv(channels: int, *, stride: int, dilation: int, groups: int, norm: Norm) -> ConvNorm:
    return ConvNorm(channels, channels, 3, stride=stride, dilation=dilation, groups=groups,
                    norm=norm, relu=True)
