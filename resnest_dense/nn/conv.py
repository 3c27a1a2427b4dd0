"""A convolution without bias, and its norm under the name ``norm`` (detectron2's layout)."""

from torch import Tensor, nn

from resnest_dense.nn.norm import Norm, make_norm
from resnest_dense.nn.recompute import norm_relu

__all__ = ["ConvNorm"]


class ConvNorm(nn.Conv2d):
    """``norm(conv(x))``, or ``relu`` of it, with parameters ``weight`` and ``norm.*``, padded to keep
    the size.

    Initialised by He's normal rule over the fan-out, as the official code does (recipes.md 3.3).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the square kernel, odd.
        stride: stride of the convolution.
        norm: see :func:`resnest_dense.nn.norm.make_norm`.
        relu: whether a ReLU follows.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1,
                 norm: Norm, relu: bool = False):
        super().__init__(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
        self.norm = make_norm(norm, out_channels)
        self.relu = relu
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        if self.relu:
            return norm_relu(self.norm, x)
        return x if self.norm is None else self.norm(x)
