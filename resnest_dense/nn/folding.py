"""A convolution with what follows it: a norm folded in, a residual added, a ReLU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense.nn.affine import constant_affine
from resnest_dense.nn.winograd import Winograd, suits_winograd

__all__ = ["FoldedConv2d"]

_ONEDNN = hasattr(torch.ops.mkldnn, "_convolution_pointwise") and torch.backends.mkldnn.is_available()


class FoldedConv2d(nn.Conv2d):
    """``relu(norm(conv(x)) + residual)`` for inference, each part where there is one.

    On a CPU oneDNN computes all of it in one pass, from weights in the order that it likes best, or
    :class:`resnest_dense.nn.winograd.Winograd` does where that is faster.

    Args:
        conv: the convolution; padding must be zeros.
        norm: its norm in eval mode: a constant one is folded into the weights, any other is kept.
        relu: whether a ReLU ends it.

    Shape:
        (N, in_channels, H, W), and a residual of the output's shape, which is overwritten
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.Module | None = None, *, relu: bool):
        super().__init__(
            conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding,
            conv.dilation, conv.groups, bias=True, device=conv.weight.device, dtype=conv.weight.dtype,
        )
        weight, bias, self.norm = fold(conv.weight, conv.bias, norm)
        self.weight = nn.Parameter(weight.to(memory_format=torch.channels_last), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.relu = relu
        self._forget()

    def _forget(self) -> None:
        """Drop what was made from the weights."""
        self._packed = self._winograd = None

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if self.norm is None and self._serves_onednn(x):
            if residual is None and suits_winograd(self, x):
                return self._by_winograd(x)
            return self._by_onednn(x, residual)
        x = self._conv_forward(x, self.weight, self.bias)
        if self.norm is not None:
            x = self.norm(x)
        if residual is not None:
            x = x + residual if x.requires_grad else x.add_(residual)
        return F.relu(x, inplace=not x.requires_grad) if self.relu else x

    def without_bias(self, x: Tensor) -> Tensor:
        """The convolution alone, for kernels that add the bias and take the ReLU as they read."""
        return self._conv_forward(x, self.weight, None)

    def _serves_onednn(self, x: Tensor) -> bool:
        return (_ONEDNN and x.device.type == "cpu" and x.dtype == self.weight.dtype and x.numel() > 0
                and x.dtype in (torch.float32, torch.bfloat16) and self.padding_mode == "zeros"
                and not isinstance(self.padding, str)
                and not (torch.is_grad_enabled() and x.requires_grad)
                and not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()
                and not torch.jit.is_tracing() and type(x) is Tensor)

    def _by_winograd(self, x: Tensor) -> Tensor:
        if self._winograd is None:
            self._winograd = Winograd(self, relu=self.relu)
        return self._winograd(x)

    def _by_onednn(self, x: Tensor, residual: Tensor | None) -> Tensor:
        geometry = (self.padding, self.stride, self.dilation, self.groups)
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, *geometry, list(x.shape))
        activation = "relu" if self.relu else "none"
        if residual is None:
            return torch.ops.mkldnn._convolution_pointwise(
                x, self._packed, self.bias, *geometry, activation, [], "")
        return torch.ops.mkldnn._convolution_pointwise_.binary(
            residual, x, self._packed, self.bias, *geometry, "add", 1.0,
            activation if self.relu else None, [], "")

    def _apply(self, fn, recurse=True):
        self._forget()
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args):
        self._forget()
        super()._load_from_state_dict(*args)

    def __getstate__(self):
        return {**super().__getstate__(), "_packed": None, "_winograd": None}


def fold(weight: Tensor, bias: Tensor | None, norm: nn.Module | None
         ) -> tuple[Tensor, Tensor | None, nn.Module | None]:
    """Weight and bias of a convolution that its norm is folded into, and the norm if it cannot be.

    Products are taken in float64, so that the result is the nearest that its type holds.
    """
    if norm is None:
        return weight.detach().clone(), None if bias is None else bias.detach().clone(), None
    affine = constant_affine(norm)
    if affine is None:
        return weight.detach().clone(), None if bias is None else bias.detach().clone(), norm
    scale, shift = (t.detach().double() for t in affine)
    folded = weight.detach().double() * scale[:, None, None, None]
    if bias is not None:
        shift = shift + bias.detach().double() * scale
    return folded.to(weight.dtype), shift.to(weight.dtype), None
