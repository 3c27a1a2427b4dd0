"""Cascade Mask R-CNN, ResNeSt-200: box AP 50.54, mask AP 44.21 on COCO val2017 (official
repository).

SyncBN in backbone, pyramid and heads, 4conv1fc box head (8 mask convolutions); stem and res2
frozen; 16 images, LR 0.02, 270k iterations; no PreciseBN (see _base_/train.py); short side 640 to
864, 0.9 crops, long side to 1440; RGB.
"""
import detectron2.data.transforms as T
from detectron2.config import LazyCall as L

from resnest_dense.weights import catalog

from ._base_.cascade_mask_rcnn import model
from ._base_.tricks_3x import dataloader, lr_multiplier, optimizer, train

model.backbone.bottom_up.architecture.name = "resnest200"
train.init_checkpoint = catalog.get("resnest200").addresses[0]
model.roi_heads.mask_head.conv_dims = [256] * 9
dataloader.train.mapper.recompute_boxes = True
dataloader.train.mapper.augmentations.insert(
    0, L(T.RandomCrop)(crop_type="relative_range", crop_size=[0.9, 0.9])
)
