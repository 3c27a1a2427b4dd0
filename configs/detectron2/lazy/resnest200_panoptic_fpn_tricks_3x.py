"""Panoptic FPN, ResNeSt-200: PQ 47.90, box AP 51.00, mask AP 43.68 on COCO val2017 (official
repository).

SyncBN in backbone, pyramid and 4conv1fc box head, none in mask (4 convolutions) and semantic head;
stem and res2 frozen; 16 images, LR 0.02, 270k iterations; no PreciseBN (see _base_/train.py); short
side 400 to 1000, long side to 1440; RGB.
"""
from resnest_dense.weights import catalog

from ._base_.coco_panoptic import dataloader
from ._base_.panoptic_fpn import model
from ._base_.tricks_3x import lr_multiplier, optimizer, train

model.backbone.bottom_up.architecture.name = "resnest200"
train.init_checkpoint = catalog.get("resnest200").addresses[0]
dataloader.train.mapper.augmentations[0].update(
    short_edge_length=[400, 1000], sample_style="range", max_size=1440
)
