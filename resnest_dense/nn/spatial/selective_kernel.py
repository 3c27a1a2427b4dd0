"""Selective kernels: a sum of branches of several receptive fields, weighed by attention (SK,
arXiv 1903.06586 section 3.1)."""

import functools

import torch
from torch import Tensor, nn

from resnest_dense import ops
from resnest_dense.architectures import Architecture
from resnest_dense.errors import ResNeStValueError
from resnest_dense.nn.conv import ConvNorm
from resnest_dense.nn.norm import Norm
from resnest_dense.nn.spatial.deform import Deformable
from resnest_dense.nn.spatial.split_attention import BranchAttention

__all__ = ["SelectiveKernel", "selective_kernel"]

REDUCTION = 16
MIN_INTER_CHANNELS = 32


class SelectiveKernel(BranchAttention):
    """Grouped 3x3 convolutions dilated by 1, 2, ... M (2 stands for 5x5), and their sum weighed by
    a softmax over the branches.

    Args:
        channels: channels C of input and output.
        branches: number of branches M.
        groups: groups of each 3x3.
        stride: stride of each 3x3.
        dilation: dilation of the first 3x3, by which the others' is multiplied.
        norm: see :func:`resnest_dense.nn.norm.make_norm`.

    Shape:
        (N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, channels: int, *, branches: int, groups: int, stride: int, dilation: int,
                 norm: Norm):
        super().__init__()
        self.paths = nn.ModuleList(
            ConvNorm(channels, channels, 3, stride=stride, dilation=dilation * (i + 1),
                     groups=groups, norm=norm, relu=True) for i in range(branches))
        inner = max(channels // REDUCTION, MIN_INTER_CHANNELS)
        self._add_attention(channels, inner, radix=branches, norm=norm, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        branches = torch.cat([path(x) for path in self.paths], dim=1)
        return self.weigh(branches, ops.choose(branches, folded=self.is_folded))

    def weights(self, logits: Tensor) -> Tensor:
        # A softmax over one branch is 1, where split attention of radix 1 has a sigmoid.
        return super().weights(logits) if self.radix > 1 else torch.ones_like(logits)


def selective_kernel(architecture: Architecture, deform: Deformable | None = None
                     ) -> "functools.partial[SelectiveKernel]":
    """Makes the selective kernels of an architecture, given channels, stride, dilation and norm.

    Raises:
        ResNeStValueError: a deformable form is asked for, which nobody has published.
    """
    if deform is not None:
        raise ResNeStValueError("Selective kernels have no deformable form: leave deform out, or "
                                "take a ResNeSt or ResNet.")
    return functools.partial(SelectiveKernel, branches=architecture.radix,
                             groups=architecture.cardinality)
