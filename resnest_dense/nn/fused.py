"""The network's parts for inference: norms folded, residuals and ReLUs inside the convolutions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense import ops
from resnest_dense.nn.bottleneck import Bottleneck
from resnest_dense.nn.conv import ConvNorm
from resnest_dense.nn.deform import DeformConv2d
from resnest_dense.nn.folding import FoldedConv2d, fold
from resnest_dense.nn.pooling import max_pool
from resnest_dense.nn.split_attention import SplitAttention
from resnest_dense.nn.stem import Stem

__all__ = ["fuse_parts"]


def fuse_parts(net: nn.Module) -> None:
    """Replaces the stem and the blocks of a ResNeSt in eval mode by their fused forms."""
    for name, part in net.named_children():
        if isinstance(part, Stem):
            setattr(net, name, _FusedStem(part))
        else:
            setattr(net, name, nn.Sequential(*map(_FusedBottleneck, part)))
            # Elsewhere a block's input is the output of the block before it, which nobody else has.
            getattr(net, name)[0].keeps_input = True


def _folded(conv: ConvNorm, relu: bool) -> FoldedConv2d:
    return FoldedConv2d(conv, conv.norm, relu=relu)


class _FusedStem(nn.Sequential):

    def __init__(self, stem: Stem):
        super().__init__(*(_folded(conv, relu=True) for conv in stem.children()))

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        return max_pool(super().forward(x))


class _FusedBottleneck(nn.Module):

    def __init__(self, block: Bottleneck):
        super().__init__()
        self.conv1 = _folded(block.conv1, relu=True)
        self.conv2_offset = getattr(block, "conv2_offset", None)
        attention = _FusedSplitAttention if self.conv2_offset is None else _FusedDeformable
        self.conv2 = attention(block.conv2)
        self.conv3 = _folded(block.conv3, relu=True)
        self.avd_layer, self.avd_first = block.avd_layer, block.avd_first
        self.shortcut_avgpool = block.shortcut_avgpool
        self.shortcut = None
        if block.shortcut is not None:
            self.shortcut = _folded(block.shortcut, relu=False)
        self.keeps_input = False

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(x)
        if self.avd_layer is not None and self.avd_first:
            out = self.avd_layer(out)
        offset = () if self.conv2_offset is None else (self.conv2_offset(out),)
        out = self.conv2(out, *offset)
        if self.avd_layer is not None and not self.avd_first:
            out = self.avd_layer(out)
        return self.conv3(out, self._project(x))

    def _project(self, x: Tensor) -> Tensor:
        """A residual that the last convolution may overwrite."""
        if self.shortcut is None:
            return x.clone() if self.keeps_input else x
        return self.shortcut(x if self.shortcut_avgpool is None else self.shortcut_avgpool(x))


class _FusedSplitAttention(nn.Module):

    def __init__(self, attention: SplitAttention):
        super().__init__()
        self.radix, self.cardinality = attention.radix, attention.cardinality
        self.conv = FoldedConv2d(attention.conv, attention.bn0, relu=True)
        self.fc1 = FoldedConv2d(attention.fc1, attention.bn1, relu=True)
        self.fc2 = FoldedConv2d(attention.fc2, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.conv.bias
        if bias is None or not ops.choose(x, folded=True).READS_CONVOLUTION:
            return self._attend(self.conv(x))
        return self._attend(self.conv.without_bias(x), torch.ones_like(bias), bias)

    def _attend(self, x: Tensor, *affine: Tensor) -> Tensor:
        steps = ops.choose(x, folded=True)
        logits = self.fc2(self.fc1(steps.radix_pool(x, self.radix, *affine)))
        attention = steps.radix_attention(logits, self.radix, self.cardinality)
        return steps.radix_sum(x, attention, self.radix, *affine)


class _FusedDeformable(_FusedSplitAttention):

    def __init__(self, attention: SplitAttention):
        super().__init__(attention)
        conv: DeformConv2d = attention.conv
        weight, self.bias, self.norm = fold(conv.weight, None, attention.bn0)
        conv.weight = nn.Parameter(weight, requires_grad=False)
        self.conv = conv

    def forward(self, x: Tensor, offset: Tensor) -> Tensor:
        x = self.conv(x, offset)
        if self.bias is not None:
            x = x + self.bias[:, None, None]
        if self.norm is not None:
            x = self.norm(x)
        return self._attend(F.relu_(x))
