"""Panoptic FPN with cascade heads on a ResNeSt-50; neither norm nor bias in the semantic head."""
from detectron2 import model_zoo

from resnest_dense.d2 import BiaslessSemSegFPNHead

from .cascade_mask_rcnn import model

stock = model_zoo.get_config("common/models/panoptic_fpn.py").model
model._target_ = stock._target_
model.sem_seg_head = stock.sem_seg_head
model.sem_seg_head.update(_target_=BiaslessSemSegFPNHead, norm="")
model.roi_heads.mask_head.conv_norm = ""
