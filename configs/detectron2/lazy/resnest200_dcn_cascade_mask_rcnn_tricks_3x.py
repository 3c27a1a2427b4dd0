"""Cascade Mask R-CNN, ResNeSt-200 with deformable 3x3: box AP 50.91, mask AP 44.50 on COCO val2017
(official repository; test-dev, several scales: 53.30 / 47.10).

SyncBN in backbone, pyramid and heads, 4conv1fc box head (8 mask convolutions); stem and res2
frozen; 16 images, LR 0.02, 270k iterations; no PreciseBN (see _base_/train.py); short side 640 to
864, 0.9 crops, long side to 1440; RGB.
"""
from detectron2.config import LazyCall as L

from resnest_dense.nn import Deformable

from .resnest200_cascade_mask_rcnn_tricks_3x import (  # noqa: F401
    dataloader,
    lr_multiplier,
    model,
    optimizer,
    train,
)

model.backbone.bottom_up.deform = L(Deformable)(
    stages=["res3", "res4", "res5"], modulated=True, groups=2
)
