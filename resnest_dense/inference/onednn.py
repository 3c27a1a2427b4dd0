"""oneDNN's convolution with constant weights and with what follows it, in one pass over memory."""

import torch
from torch import Tensor

__all__ = ["OneDNNConv2d"]


class OneDNNConv2d:
    """``relu(conv(x) + residual)`` on a CPU, each part where there is one; without gradients.

    The weights are put in the order that the kernels like best at the first call, for the size of
    its input; other sizes are served too.

    Args:
        weight: (C_out, C_in / groups, H, W)
        bias: (C_out,) or None.
        geometry: padding, stride, dilation (two numbers each) and groups.
        relu: whether a ReLU ends it.

    Shape:
        (N, C_in, H, W) in float32 or bfloat16, and a residual of the output's shape, which is
        overwritten
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, geometry: tuple, *, relu: bool):
        self._bias = bias
        self._geometry, self._relu = geometry, relu
        self._weight: Tensor | None = weight
        self._packed: Tensor | None = None

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(
                self._weight, *self._geometry, list(x.shape))
            self._weight = None
        conv = (x, self._packed, self._bias, *self._geometry)
        if residual is None:
            return torch.ops.mkldnn._convolution_pointwise(
                *conv, "relu" if self._relu else "none", [], "")
        return torch.ops.mkldnn._convolution_pointwise_.binary(
            residual, *conv, "add", 1.0, "relu" if self._relu else None, [], "")
