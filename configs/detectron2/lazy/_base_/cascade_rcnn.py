"""Cascade R-CNN on a ResNeSt-50, boxes only."""
from .cascade_mask_rcnn import model
from .parts import drop_masks

drop_masks(model.roi_heads)
