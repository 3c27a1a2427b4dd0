"""The split-attention 3x3 convolution (paper section 3.1, figure 2)."""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense import ops
from resnest_dense.architectures import Architecture
from resnest_dense.errors import ResNeStValueError
from resnest_dense.inference.folded import Folded, FoldedConv2d, fold_layers
from resnest_dense.nn.activation import lazy_norm_relu
from resnest_dense.nn.memory import consuming, recomputed
from resnest_dense.nn.norm import Norm, apply_pooled_norm, make_norm, make_pooled_norm
from resnest_dense.nn.spatial.deform import Deformable, DeformConv2d
from resnest_dense.ops.grouped import fastest_form

__all__ = ["BranchAttention", "SplitAttention", "split_attention"]

REDUCTION = 4
MIN_INTER_CHANNELS = 32


class BranchAttention(nn.Module):
    """A sum of branches of the same shape, each channel of each weighed by what all say of it."""

    def _add_attention(self, channels: int, inner: int, *, radix: int, cardinality: int = 1,
                       norm: Norm, bias: bool = True) -> None:
        """The layers of the attention, behind those of the branches: what an optimizer keeps goes
        by the order of parameters.

        Args:
            channels: channels C of a branch.
            inner: channels between the two layers of the attention.
            radix: number of branches R.
            cardinality: number of groups K, each with attention of its own.
            norm: see :func:`resnest_dense.nn.norm.make_norm`.
            bias: whether the layers have one.
        """
        self.radix = radix
        self.cardinality = cardinality
        self.is_folded = False
        self.fc1 = nn.Conv2d(channels, inner, 1, groups=cardinality, bias=bias)
        self.bn1 = make_pooled_norm(norm, inner)
        self.fc2 = nn.Conv2d(inner, channels * radix, 1, groups=cardinality, bias=bias)

    def weigh(self, branches: ops.Map, steps: ModuleType) -> Tensor:
        """The attended sum of the branches.

        Args:
            branches: (N, R * C, H, W), one behind the other, or what makes them on CUDA.
            steps: what computes it, of :func:`resnest_dense.ops.choose`.

        Shape:
            -> (N, C, H, W)
        """
        attention = self.attend(steps.radix_pool(branches, self.radix))
        with consuming(branches):
            out = steps.radix_sum(branches, attention, self.radix)
        return recomputed(out, lambda branches: steps.radix_sum(branches, attention, self.radix),
                          branches)

    def attend(self, pooled: Tensor) -> Tensor:
        """Weights of the branches from their pooled sum.

        Shape:
            (N, C, 1, 1) -> (N, R * C, 1, 1), radix-major
        """
        gap = self.fc1(pooled)
        if not self.is_folded:
            gap = F.relu_(apply_pooled_norm(self.bn1, gap))
        return self.weights(self.fc2(gap))

    def weights(self, logits: Tensor) -> Tensor:
        """What the channels are multiplied by, from what ``fc2`` puts out; both
        (N, R * C, 1, 1)."""
        return ops.radix_attention(logits, self.radix, self.cardinality)

    def folded(self) -> "BranchAttention":
        """Itself, with its norms folded into its convolutions."""
        fold_layers(self)
        self.fc1, self.bn1 = FoldedConv2d(self.fc1, self.bn1, relu=True), Folded()
        self.fc2 = FoldedConv2d(self.fc2, relu=False)
        self.is_folded = True
        return self


class SplitAttention(BranchAttention):
    """A grouped 3x3 convolution into R splits, and their sum weighed by attention.

    Args:
        channels: channels C of input and output.
        radix: number of splits R.
        cardinality: number of groups K, each with attention of its own.
        stride: stride of the 3x3.
        dilation: dilation of the 3x3.
        norm: see :func:`resnest_dense.nn.norm.make_norm`.
        deform: None for a plain 3x3, or what its deformable form is like.

    Shape:
        (N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride))

    Raises:
        ResNeStValueError: the channels cannot be divided into so many splits and groups.
    """

    def __init__(self, channels: int, *, radix: int, cardinality: int, stride: int, dilation: int,
                 norm: Norm, deform: Deformable | None = None):
        super().__init__()
        inner = max(channels * radix // REDUCTION, MIN_INTER_CHANNELS)
        for divided, parts in ((channels, radix * cardinality), (inner, cardinality)):
            if divided % parts:
                raise ResNeStValueError(
                    f"radix={radix} and cardinality={cardinality}: {divided} channels of split "
                    f"attention do not divide by {parts}; take another bottleneck_width.")
        geometry: dict[str, Any] = dict(kernel_size=3, stride=stride, padding=dilation,
                                        dilation=dilation, groups=cardinality * radix)
        self.conv: nn.Conv2d
        if deform is None:
            self.conv = GroupedConv2d(channels, channels * radix, bias=False, **geometry)
        else:
            self.conv = DeformConv2d(channels, channels * radix, modulated=deform.modulated,
                                     **geometry)
        self.bn0 = make_norm(norm, channels * radix)
        self._add_attention(channels, inner, radix=radix, cardinality=cardinality, norm=norm)

    def forward(self, x: Tensor, offset: Tensor | None = None) -> Tensor:
        """The attended sum of the splits of ``x``.

        Args:
            x: (N, C, H, W)
            offset: what the block's offset convolution predicts, for a deformable 3x3.
        """
        with consuming(x):
            x = self.conv(x) if offset is None else self.conv(x, offset)
        steps = ops.choose(x, folded=self.is_folded)
        return self.weigh(lazy_norm_relu(self.bn0, x), steps)

    def folded(self) -> BranchAttention:
        if isinstance(self.conv, DeformConv2d):
            self.bn0 = self.conv.fold(self.bn0)
        else:
            self.conv, self.bn0 = FoldedConv2d(self.conv, self.bn0, relu=True), Folded()
        return super().folded()


class GroupedConv2d(nn.Conv2d):
    """A grouped convolution, computed without groups where that is faster."""

    def forward(self, x: Tensor) -> Tensor:
        weight, groups = fastest_form(x, self.weight, self.groups)
        return F.conv2d(x, weight, None, self.stride, self.padding, self.dilation, groups)


def split_attention(architecture: Architecture, deform: Deformable | None = None
                    ) -> Callable[..., SplitAttention]:
    """Makes the split attention of an architecture, given channels, stride, dilation and norm."""
    return functools.partial(SplitAttention, radix=architecture.radix,
                             cardinality=architecture.cardinality, deform=deform)
