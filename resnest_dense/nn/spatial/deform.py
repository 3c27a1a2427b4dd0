"""Deformable 3x3 convolution by torchvision's operator (arXiv 1703.06211, 1811.11168)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resnest_dense.errors import ResNeStValueError, near, require_counts, require_switches
from resnest_dense.inference.folded import fold
from resnest_dense.nn.activation import norm_relu
from resnest_dense.nn.memory import consuming
from resnest_dense.nn.norm import Norm, make_norm
from resnest_dense.nn.stages import STAGE_NAMES

__all__ = ["DeformConv2d", "DeformConvNorm", "Deformable", "offset_conv"]

_TAPS = 3 * 3


@dataclass(frozen=True)
class Deformable:
    """Which stages have deformable 3x3 convolutions (recipes.md 2.5).

    Args:
        stages: names of the stages, every block of which is deformable.
        modulated: whether each tap has a mask too (version 2).
        groups: number of offset groups.

    Raises:
        ResNeStValueError: an unknown stage, fewer groups than 1, or ``modulated`` is no switch.
    """

    stages: tuple[str, ...] = ("res3", "res4", "res5")
    modulated: bool = True
    groups: int = 1

    def __post_init__(self):
        for stage in self.stages:
            if stage not in STAGE_NAMES:
                raise ResNeStValueError(
                    f"Unknown stage {stage!r} in Deformable.stages. {near(stage, STAGE_NAMES)}"
                )
        require_counts(**{"Deformable.groups": self.groups})
        require_switches(**{"Deformable.modulated": self.modulated})


def offset_conv(channels: int, deform: Deformable, *, stride: int, dilation: int) -> nn.Conv2d:
    """The convolution that predicts the offsets (and masks) of a deformable 3x3, zero at first.

    It is grouped, as the official wrapper's is: released weights hold that form (recipes.md 3.6).

    Shape:
        (N, channels, H, W) -> (N, (3 or 2) * groups * 9, ceil(H / stride), ceil(W / stride))
    """
    if channels % deform.groups:
        raise ResNeStValueError(
            f"Deformable.groups={deform.groups} does not divide the {channels} channels of a "
            "deformable convolution: use a divisor."
        )
    per_tap = 3 if deform.modulated else 2
    conv = nn.Conv2d(channels, per_tap * deform.groups * _TAPS, 3, stride, dilation, dilation,
                     groups=deform.groups)
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv


class DeformConv2d(nn.Conv2d):
    """A convolution without bias that samples where a second input says.

    Offsets are those of torchvision and detectron2: (dy, dx) per tap, group after group. With a
    mask, the channels are three equal thirds: the first two together are the offsets, the third is
    the mask's logits. With several groups a third is not a group; released weights hold that order.

    Shape:
        (N, in_channels, H, W), (N, 18 * groups or 27 * groups, H', W') -> (N, out_channels, H', W')
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int,
                 padding: int, dilation: int, groups: int, modulated: bool):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
                         bias=False)
        self.modulated = modulated

    def reset_parameters(self) -> None:
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor, offset: Tensor) -> Tensor:
        # torchvision takes seconds to import, and is for deformable networks alone.
        from torchvision.ops import deform_conv2d

        mask = None
        if self.modulated:
            *offsets, mask = offset.chunk(3, dim=1)
            offset, mask = torch.cat(offsets, dim=1), mask.sigmoid()
        return deform_conv2d(
            x, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask
        )

    def fold(self, norm: nn.Module | None) -> nn.Module | None:
        """Takes in a constant ``norm`` for inference; returns what is left of it."""
        weight, bias, norm = fold(self.weight, self.bias, norm)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        return norm


class DeformConvNorm(DeformConv2d):
    """``relu(norm(conv(x)))`` of a deformable 3x3: the plain block's, named as detectron2 does.

    Args:
        channels: channels C of input and output.
        stride: stride of the convolution.
        dilation: its dilation.
        groups: its groups.
        norm: see :func:`resnest_dense.nn.norm.make_norm`.
        modulated: whether each tap has a mask too (version 2).

    Shape:
        (N, C, H, W), (N, 18 * groups or 27 * groups, H', W') -> (N, C, H', W')
    """

    def __init__(self, channels: int, *, stride: int, dilation: int, groups: int, norm: Norm,
                 modulated: bool):
        super().__init__(channels, channels, 3, stride=stride, padding=dilation, dilation=dilation,
                         groups=groups, modulated=modulated)
        self.norm = make_norm(norm, channels)

    def forward(self, x: Tensor, offset: Tensor) -> Tensor:
        with consuming(x):
            y = super().forward(x, offset)
        return norm_relu(self.norm, y)

    def folded(self) -> "DeformConvNorm":
        """Itself, with its norm folded into the convolution."""
        self.norm = self.fold(self.norm)
        return self
