"""RetinaNet, ResNeSt-50: no published figure.

SyncBN in backbone and pyramid, none in the head; stem and res2 frozen; 16 images, LR 0.01, 90k
iterations; no PreciseBN (see _base_/train.py); short side one of 640 to 800 by 32, long side to
1333; RGB.
"""
from resnest_dense.weights import catalog

from ._base_.coco import dataloader
from ._base_.retinanet import model
from ._base_.train import lr_multiplier, optimizer, train

train.init_checkpoint = catalog.get("resnest50").addresses[0]
dataloader.train.mapper.use_instance_mask = False
optimizer.lr = 0.01
