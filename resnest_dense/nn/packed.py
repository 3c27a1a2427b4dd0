"""Convolutions of constant weights on a CPU, from weights in the order that the kernels like best."""

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from resnest_dense.nn.winograd import Winograd, suits_winograd

__all__ = ["PackedConv2d", "conv3x3"]


class PackedConv2d:
    """``relu(conv(x) + residual)`` by oneDNN in one pass, or by :class:`Winograd` where that is
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
        self._packed = self._winograd = None

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if residual is None and suits_winograd(self._conv, x):
            if self._winograd is None:
                self._winograd = Winograd(self._conv, relu=self._relu)
            return self._winograd(x)
        return self._by_onednn(x, residual)

    def _by_onednn(self, x: Tensor, residual: Tensor | None) -> Tensor:
        conv = self._conv
        geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(
                conv.weight, *geometry, list(x.shape))
        if residual is None:
            return torch.ops.mkldnn._convolution_pointwise(
                x, self._packed, conv.bias, *geometry, "relu" if self._relu else "none", [], "")
        return torch.ops.mkldnn._convolution_pointwise_.binary(
            residual, x, self._packed, conv.bias, *geometry, "add", 1.0,
            "relu" if self._relu else None, [], "")


_packed = WeakTensorKeyDictionary()


@torch.library.custom_op("resnest_dense::conv3x3", mutates_args=())
def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int, groups: int,
            relu: bool) -> Tensor:
    """A :class:`PackedConv2d` of 3x3 and stride 1 that keeps the size, as one node to a compiler for
    which its weights are constants.

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
def _(x, weight, bias, dilation, groups, relu):
    shape = (x.shape[0], len(weight), *x.shape[2:])
    return x.new_empty(shape).contiguous(memory_format=torch.channels_last)
