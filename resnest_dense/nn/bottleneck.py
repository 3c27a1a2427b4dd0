"""The residual block of every network: 1x1, 3x3, 1x1 (paper section 3.2). In a ResNeSt the 3x3 is
split attention; the networks before it have another 3x3, or a gate behind the last norm."""

from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense.architectures import Architecture
from resnest_dense.nn.conv import ConvNorm
from resnest_dense.nn.gate import make_gate
from resnest_dense.nn.norm import Norm
from resnest_dense.nn.pooling import AvgPool2d
from resnest_dense.nn.spatial import Spatial, make_spatial
from resnest_dense.nn.spatial.deform import Deformable, offset_conv

__all__ = ["EXPANSION", "Bottleneck"]

EXPANSION = 4


class Bottleneck(nn.Module):
    """One residual block, with a projection where the number of channels changes.

    Args:
        in_channels: channels of the input.
        planes: 64, 128, 256 or 512; the block puts out 4 times as many channels.
        architecture: radix, cardinality, width, gate, and how the block downsamples.
        stride: stride of the block.
        pool: whether a 3x3 average pool does the striding (average-pool downsampling); it stays in
            the block at stride 1 too.
        dilation: dilation of the 3x3.
        norm: see :func:`resnest_dense.nn.norm.make_norm`.
        deform: None, or what the deformable 3x3 is like.
        spatial: makes the 3x3; None: that of the architecture.

    Shape:
        (N, in_channels, H, W) -> (N, 4 * planes, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, in_channels: int, planes: int, architecture: Architecture, *,
                 stride: int = 1, pool: bool = False, dilation: int = 1, norm: Norm = "BN",
                 deform: Deformable | None = None, spatial: Spatial | None = None):
        super().__init__()
        out_channels = planes * EXPANSION
        width = architecture.group_width(planes)
        in_1x1 = stride if architecture.stride_in_1x1 and not pool else 1
        conv_stride = 1 if pool else stride // in_1x1
        spatial = spatial or make_spatial(architecture, deform)

        self.conv1 = ConvNorm(in_channels, width, 1, stride=in_1x1, norm=norm, relu=True)
        if deform is not None:
            self.conv2_offset = offset_conv(width, deform, stride=conv_stride, dilation=dilation)
        self.conv2 = spatial(width, stride=conv_stride, dilation=dilation, norm=norm)
        self.avd_first = architecture.avd_first
        # Padded zeros count in this average, unlike in the shortcut's (docs/recipes.md 3.5).
        self.avd_layer = AvgPool2d(3, stride, padding=1) if pool else None
        self.conv3 = ConvNorm(width, out_channels, 1, norm=norm, relu=not architecture.gate)
        self.gate = make_gate(architecture.gate, out_channels)

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
        residual = self._project(x)
        if self.gate is None:
            return self.conv3(out, residual)
        return F.relu_(self.gate(self.conv3(out)) + residual)

    def _convolve(self, x: Tensor) -> Tensor:
        offset_conv = getattr(self, "conv2_offset", None)
        return self.conv2(x) if offset_conv is None else self.conv2(x, offset_conv(x))

    def _project(self, x: Tensor) -> Tensor:
        if self.shortcut is None:
            return x
        return self.shortcut(x if self.shortcut_avgpool is None else self.shortcut_avgpool(x))
