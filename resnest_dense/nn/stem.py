"""The stem: ResNet-D's three 3x3 convolutions, or one 7x7, and a max-pool."""

from torch import Tensor, nn

from resnest_dense.architectures import Architecture
from resnest_dense.nn.conv import ConvNorm
from resnest_dense.nn.norm import Norm
from resnest_dense.nn.pooling import max_pool

__all__ = ["Stem"]


class Stem(nn.Module):
    """Image to the input of res2 (paper appendix "network tweaks"; docs/recipes.md 1.1).

    Args:
        in_channels: channels of the image.
        architecture: gives ``deep_stem`` and ``stem_width``.
        norm: see :func:`resnest_dense.nn.norm.make_norm`.

    Shape:
        (N, in_channels, H, W) -> (N, architecture.stem_channels, ceil(H / 4), ceil(W / 4))
    """

    def __init__(self, in_channels: int, architecture: Architecture, *, norm: Norm):
        super().__init__()
        width, out_channels = architecture.stem_width, architecture.stem_channels
        if architecture.deep_stem:
            self.conv1_1 = ConvNorm(in_channels, width, 3, stride=2, norm=norm, relu=True)
            self.conv1_2 = ConvNorm(width, width, 3, norm=norm, relu=True)
            self.conv1_3 = ConvNorm(width, out_channels, 3, norm=norm, relu=True)
        else:
            self.conv1 = ConvNorm(in_channels, out_channels, 7, stride=2, norm=norm, relu=True)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.children():
            x = conv(x)
        return max_pool(x)
