"""A convolution without bias, and its norm under the name ``norm`` (detectron2's layout)."""

from torch import Tensor, nn

from resnest_dense.inference.folded import FoldedConv2d
from resnest_dense.nn.activation import norm_relu
from resnest_dense.nn.memory import consuming
from resnest_dense.nn.norm import Norm, make_norm

__all__ = ["ConvNorm"]


class ConvNorm(nn.Conv2d):
    """``relu(norm(conv(x)) + residual)``, each part where there is one, with parameters ``weight``
    and ``norm.*``, padded to keep the size.

    Initialised by He's normal rule over the fan-out, as the official code does
    (docs/recipes.md 3.3).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the square kernel, odd.
        stride: stride of the convolution.
        dilation: its dilation.
        groups: its groups.
        norm: see :func:`resnest_dense.nn.norm.make_norm`.
        relu: whether a ReLU ends it.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)), the shape
        of a residual
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1,
                 dilation: int = 1, groups: int = 1, norm: Norm, relu: bool = False):
        super().__init__(in_channels, out_channels, kernel_size, stride,
                         kernel_size // 2 * dilation, dilation, groups, bias=False)
        self.norm = make_norm(norm, out_channels)
        self.relu = relu

    def reset_parameters(self) -> None:
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        with consuming(x):
            y = self._conv_forward(x, self.weight, self.bias)
        return norm_relu(self.norm, y, residual, relu=self.relu)

    def folded(self) -> FoldedConv2d:
        """What computes the same in inference, faster."""
        return FoldedConv2d(self, self.norm, relu=self.relu)
