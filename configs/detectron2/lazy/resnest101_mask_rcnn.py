"""Mask R-CNN, ResNeSt-101: box AP 45.75, mask AP 40.65 on COCO val2017 (paper, table 6).

SyncBN in backbone, pyramid and heads, 4conv1fc box head (4 mask convolutions); stem and res2
frozen; 16 images, LR 0.02, 90k iterations; no PreciseBN (see _base_/train.py); short side one of
640 to 800 by 32, long side to 1333; RGB.
"""
from resnest_dense.weights import catalog

from ._base_.coco import dataloader
from ._base_.mask_rcnn import model
from ._base_.train import lr_multiplier, optimizer, train

model.backbone.bottom_up.architecture.name = "resnest101"
train.init_checkpoint = catalog.get("resnest101").addresses[0]
