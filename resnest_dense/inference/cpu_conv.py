"""A convolution of constant weights on a CPU, in the form that is fastest for what it is given."""

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from resnest_dense.inference.onednn import OneDNNConv2d
from resnest_dense.inference.winograd import Winograd, suits_winograd

__all__ = ["PackedConv2d", "conv3x3"]


class PackedConv2d:
    """``relu(conv(x) + residual)`` by :class:`OneDNNConv2d`, or by :class:`Winograd` where that is
    faster; without gradients.

    Args:
        conv: the convolution; changes of its weights after the first call are not seen.
        relu: whether a ReLU ends it.

    Shape:
        (N, C_in, H, W) in float32 or bfloat16, and a residual of the output's shape, which is
        overwritten
    """

    def __init__(self, conv: nn.Conv2d, *, relu: bool):
        self._conv, self._relu = conv, relu
        self._onednn: OneDNNConv2d | None = None
        self._winograd: Winograd | None = None

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        conv = self._conv
        if residual is None and suits_winograd(conv, x):
            self._winograd = self._winograd or Winograd(conv, relu=self._relu)
            return self._winograd(x)
        if self._onednn is None:
            geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
            self._onednn = OneDNNConv2d(conv.weight, conv.bias, geometry, relu=self._relu)
        return self._onednn(x, residual)


_packed = WeakTensorKeyDictionary()


@torch.library.custom_op("resnest_dense::conv3x3", mutates_args=())
def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, groups: int,
            relu: bool) -> Tensor:
    """A :class:`PackedConv2d` of 3x3 and stride 1 that keeps the size, as one node to a compiler
    for which its weights are constants.

    Shape:
        (N, C_in, H, W) -> (N, C_out, H, W), channels-last
    """
    if weight not in _packed:
        conv = nn.Conv2d(x.shape[1], len(weight), 3, padding=dilation, dilation=dilation,
                         groups=groups, device="meta")
        conv.weight = nn.Parameter(weight.detach(), requires_grad=False)
        conv.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        _packed[weight] = PackedConv2d(conv, relu=relu)
    return _packed[weight](x).contiguous(memory_format=torch.channels_last)


@conv3x3.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, groups: int,
      relu: bool) -> Tensor:
    shape = (x.shape[0], len(weight), *x.shape[2:])
    return x.new_empty(shape).contiguous(memory_format=torch.channels_last)
