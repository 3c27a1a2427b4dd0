"""cuDNN's convolution with constant weights and with what follows it, in one pass over memory."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense.ops import choose
from resnest_dense.ops.grouped import fastest_form

__all__ = ["CudnnConv2d", "serves_cudnn"]


def serves_cudnn(x: Tensor) -> bool:
    """Whether :class:`CudnnConv2d` computes ``x``."""
    return (x.is_cuda and x.dtype in (torch.float16, torch.bfloat16) and x.numel() > 0
            and torch.backends.cudnn.is_available() and not torch.jit.is_tracing()
            and not torch.compiler.is_compiling() and type(x) is Tensor
            and not (torch.is_grad_enabled() and x.requires_grad))


class CudnnConv2d:
    """``relu(conv(x) + bias + residual)`` in half precision on CUDA, each part where there is one;
    without gradients. torch adds a bias in a pass of its own, which takes longer than the rest.

    Args:
        conv: the convolution; changes of its weights after the first call are not seen.
        relu: whether a ReLU ends it.

    Shape:
        (N, C_in, H, W) in half precision, and a residual of the output's shape
    """

    _weight: Tensor
    _bias: Tensor
    _groups: int

    def __init__(self, conv: nn.Conv2d, *, relu: bool):
        self._conv, self._relu = conv, relu
        self._dtype: torch.dtype | None = None  # Of the weight, once there is one.

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if self._dtype is not x.dtype:
            self._prepare(x)
        geometry: tuple[Any, ...] = (self._conv.stride, self._conv.padding, self._conv.dilation,
                                     self._groups)
        if self._relu and residual is None:
            return torch.cudnn_convolution_relu(x, self._weight, self._bias, *geometry)
        if self._relu:
            return torch.cudnn_convolution_add_relu(x, self._weight, residual.to(x.dtype), 1.0,
                                                    self._bias, *geometry)
        y = F.conv2d(x, self._weight, None, *geometry)
        steps = choose(y)
        if steps.LAZY:
            return steps.LazyMap(y, torch.ones_like(self._bias), self._bias).normalise(
                residual, relu=False)
        y += self._bias[:, None, None]
        return y if residual is None else y.add_(residual)

    def _prepare(self, x: Tensor) -> None:
        """The weight in the type of ``x``, and without groups where that is faster."""
        conv = self._conv
        weight, self._groups = fastest_form(x, conv.weight.to(x.dtype), conv.groups)
        self._dtype = x.dtype
        self._weight = weight.contiguous(memory_format=torch.channels_last)
        bias = weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
        self._bias = bias.to(x.dtype)
