"""The residual block of every ResNeSt: 1x1, split-attention 3x3, 1x1 (paper section 3.2)."""

from collections.abc import Callable

from torch import Tensor, nn

from resnest_dense.architectures import Architecture
from resnest_dense.nn.conv import ConvNorm
from resnest_dense.nn.deform import Deformable, offset_conv
from resnest_dense.nn.norm import Norm
from resnest_dense.nn.pooling import AvgPool2d
from resnest_dense.nn.split_attention import split_attention

__all__ = ["EXPANSION", "Bottleneck", "Spatial"]

EXPANSION = 4

# Makes the 3x3 of a block: Spatial(channels, stride=..., dilation=..., norm=...) -> (N, C, H, W) to
# (N, C, ceil(H / stride), ceil(W / stride)).
Spatial = Callable[..., nn.Module]


class Bottleneck(nn.Module):
    """One residual block, with a projection where the number of channels changes.

    Args:
        in_channels: channels of the input.
        planes: 64, 128, 256 or 512; the block puts out 4 times as many channels.
        architecture: radix, cardinality, width and how the block downsamples.
        stride: stride of the block.
        pool: whether a 3x3 average pool does the striding (average-pool downsampling); it stays in
            the block at stride 1 too.
        dilation: dilation of the 3x3.
        norm: see :func:`resnest_dense.nn.norm.make_norm`.
        deform: None, or what the deformable 3x3 is like.
        spatial: makes the 3x3; None: the architecture's split attention.

    Shape:
        (N, in_channels, H, W) -> (N, 4 * planes, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, in_channels: int, planes: int, architecture: Architecture, *,
                 stride: int = 1, pool: bool = False, dilation: int = 1, norm: Norm = "BN",
                 deform: Deformable | None = None, spatial: Spatial | None = None):
        super().__init__()
        out_channels = planes * EXPANSION
        width = architecture.group_width(planes)
        conv_stride = 1 if pool else stride
        spatial = spatial or split_attention(architecture, deform)

        self.conv1 = ConvNorm(in_channels, width, 1, norm=norm, relu=True)
        if deform is not None:
            self.conv2_offset = offset_conv(width, deform, stride=conv_stride, dilation=dilation)
        self.conv2 = spatial(width, stride=conv_stride, dilation=dilation, norm=norm)
        self.avd_first = architecture.avd_first
        # Padded zeros count in this average, unlike in the shortcut's (docs/recipes.md 3.5).
        self.avd_layer = AvgPool2d(3, stride, padding=1) if pool else None
        self.conv3 = ConvNorm(width, out_channels, 1, norm=norm, relu=True)

        self.shortcut_avgpool = self.shortcut = None
        if in_channels != out_channels or stride != 1:
            pooled = architecture.avg_down and stride != 1
            if pooled:
                self.shortcut_avgpool = AvgPool2d(
                    stride, stride, ceil_mode=True, count_include_pad=False
                )
            self.shortcut = ConvNorm(
                in_channels, out_channels, 1, stride=1 if pooled else stride, norm=norm
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(x)
        if self.avd_layer is not None and self.avd_first:
            out = self.avd_layer(out)
        out = self._convolve(out)
        if self.avd_layer is not None and not self.avd_first:
            out = self.avd_layer(out)
        return self.conv3(out, self._project(x))

    def _convolve(self, x: Tensor) -> Tensor:
        offset_conv = getattr(self, "conv2_offset", None)
        return self.conv2(x) if offset_conv is None else self.conv2(x, offset_conv(x))

    def _project(self, x: Tensor) -> Tensor:
        if self.shortcut is None:
            return x
        return self.shortcut(x if self.shortcut_avgpool is None else self.shortcut_avgpool(x))
