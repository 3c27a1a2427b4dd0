"""The segmentation head of the paper's networks, as PyTorch-Encoding and GluonCV build it."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.aspp_head import ASPPModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from resnest_dense.mmseg.registry import MODELS
from resnest_dense.nn.norm import apply_pooled_norm

__all__ = ["DeepLabV3Head"]


@MODELS.register_module()
class DeepLabV3Head(BaseDecodeHead):
    """DeepLabV3's head (arXiv 1706.05587, docs/recipes.md 4.2). MMSegmentation's ASPPHead fuses the
    branches by one 3x3; here a 1x1 with dropout does, and a 3x3 follows. An image alone in its
    batch can be trained on.

    Args:
        dilations: of the three 3x3 branches beside the 1x1 and the pooled one.
        fusion_dropout: share of the fused channels that training drops.
        options: as for every head of MMSegmentation, first ``in_channels`` and ``channels``.

    Shape:
        a sequence of (N, in_channels, H, W) -> (N, num_classes, H, W)
    """

    def __init__(self, dilations: Sequence[int] = (12, 24, 36), fusion_dropout: float = 0.5,
                 **options: Any):
        super().__init__(**options)
        parts = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.aspp_modules = ASPPModule((1, *dilations), self.in_channels, self.channels, **parts)
        self.pooled = ConvModule(self.in_channels, self.channels, 1, **parts)
        branches = len(dilations) + 2
        self.project = ConvModule(branches * self.channels, self.channels, 1, **parts)
        self.fusion_dropout = nn.Dropout2d(fusion_dropout)
        self.fuse = ConvModule(self.channels, self.channels, 3, padding=1, **parts)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        x = self._transform_inputs(inputs)
        pooled = self.pooled.conv(x.mean((2, 3), keepdim=True))
        if self.pooled.with_norm:
            pooled = apply_pooled_norm(self.pooled.norm, pooled)
        pooled = self.pooled.activate(pooled).expand(-1, -1, *x.shape[2:])
        branches = [*self.aspp_modules(x), pooled]
        x = self.fusion_dropout(self.project(torch.cat(branches, 1)))
        return self.cls_seg(self.fuse(x))
