"""Mask R-CNN on a ResNeSt-50."""
from detectron2 import model_zoo

from .parts import use_resnest50, use_synchronised_heads

model = model_zoo.get_config("common/models/mask_rcnn_fpn.py").model
use_resnest50(model)
use_synchronised_heads(model.roi_heads)
