"""Faster R-CNN on a ResNeSt-50."""
from .mask_rcnn import model
from .parts import drop_masks

drop_masks(model.roi_heads)
