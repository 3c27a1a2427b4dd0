"""Faster R-CNN, ResNeSt-50: box AP 42.33 on COCO val2017 (paper, table 5).

SyncBN in backbone, pyramid and heads, 4conv1fc box head; stem and res2 frozen; 16 images, LR 0.02,
90k iterations; no PreciseBN (see _base_/train.py); short side 640 to 800, long side to 1333; RGB.
"""
from resnest_dense.weights import catalog

from ._base_.coco_boxes import dataloader
from ._base_.faster_rcnn import model
from ._base_.train import lr_multiplier, optimizer, train

train.init_checkpoint = catalog.get("resnest50").addresses[0]
