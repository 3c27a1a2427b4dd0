"""A convolution with what follows it: a norm folded in, a residual added, a ReLU."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense.inference.compile import is_compiling
from resnest_dense.inference.cpu_conv import PackedConv2d, conv3x3
from resnest_dense.inference.cudnn_conv import CudnnConv2d, serves_cudnn
from resnest_dense.inference.winograd import is_winograd_conv
from resnest_dense.ops.affine import constant_affine
from resnest_dense.ops.grouped import fastest_form

__all__ = ["Copy", "Folded", "FoldedConv2d", "fold", "fold_layers"]

_ONEDNN = (hasattr(torch.ops.mkldnn, "_convolution_pointwise")
           and torch.backends.mkldnn.is_available())
# oneDNN packs weights of these types; of bfloat16 on processors with AVX-512 or AVX-NE-CONVERT
# alone.
_ONEDNN_TYPES = (torch.float32,) + (torch.bfloat16,) * (
    _ONEDNN and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Folded(nn.Identity):
    """Stands where a norm and its ReLU were that are folded into the convolution before them."""


class Copy(nn.Module):
    """Its input, for someone who overwrites it."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clone()


class FoldedConv2d(nn.Conv2d):
    """``relu(norm(conv(x)) + residual)`` for inference, each part where there is one.

    :class:`resnest_dense.inference.cpu_conv.PackedConv2d` computes all of it in one pass on a CPU,
    :class:`resnest_dense.inference.cudnn_conv.CudnnConv2d` in half precision on CUDA.

    Args:
        conv: the convolution; padding must be zeros.
        norm: its norm in eval mode: a constant one is folded into the weights, any other is kept.
        relu: whether a ReLU ends it.

    Shape:
        (N, in_channels, H, W), and a residual of the output's shape, which is overwritten
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.Module | None = None, *, relu: bool):
        # A convolution's attributes have wider types than its arguments. Nothing is drawn or
        # allocated: both parameters are replaced below.
        geometry: tuple[Any, Any, Any, Any, int] = (conv.kernel_size, conv.stride, conv.padding,
                                                    conv.dilation, conv.groups)
        super().__init__(conv.in_channels, conv.out_channels, *geometry, bias=True, device="meta")
        weight, bias, self.norm = fold(conv.weight, conv.bias, norm)
        weight = weight.to(memory_format=torch.channels_last)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.relu = relu
        self._packed: PackedConv2d | CudnnConv2d | None = None

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if self.norm is None and self._serves_onednn(x):
            if not torch.compiler.is_compiling():
                self._packed = self._packed or PackedConv2d(self, relu=self.relu)
                return self._packed(x, residual)
            # Not in an exported graph, which must run without this package.
            if is_compiling() and residual is None and is_winograd_conv(self, x):
                return conv3x3(x, self.weight, self.bias, self.dilation[0], self.groups, self.relu)
        if x.is_cuda and torch.is_autocast_enabled("cuda"):
            x = x.to(torch.get_autocast_dtype("cuda"))
        if self.norm is None and not isinstance(self.padding, str) and serves_cudnn(x):
            self._packed = self._packed or CudnnConv2d(self, relu=self.relu)
            return self._packed(x, residual)
        weight, groups = fastest_form(x, self.weight, self.groups)
        x = F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, groups)
        if self.norm is not None:
            x = self.norm(x)
        if residual is not None:
            x = x + residual if x.requires_grad else x.add_(residual)
        return F.relu(x, inplace=not x.requires_grad) if self.relu else x

    def _serves_onednn(self, x: Tensor) -> bool:
        return (_ONEDNN and not torch.jit.is_tracing()
                and x.device.type == "cpu" and x.dtype == self.weight.dtype
                and x.numel() > 0 and x.dtype in _ONEDNN_TYPES
                and self.padding_mode == "zeros" and not isinstance(self.padding, str)
                and not (torch.is_grad_enabled() and x.requires_grad)
                and not torch.is_autocast_enabled("cpu")
                and type(x) is Tensor)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FoldedConv2d":
        self._packed = None
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any) -> None:
        self._packed = None
        super()._load_from_state_dict(*args)

    def __getstate__(self):
        return {**super().__getstate__(), "_packed": None}


def fold_layers(module: nn.Module) -> None:
    """Puts the folded form of each layer in its place, wherever a layer has one (``folded()``)."""
    for name, child in module.named_children():
        if hasattr(child, "folded"):
            setattr(module, name, child.folded())
        else:
            fold_layers(child)


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
