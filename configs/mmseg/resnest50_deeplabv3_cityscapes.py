"""DeepLabV3-ResNeSt-50 on Cityscapes: 79.87 mIoU in the paper."""

_base_ = "./_base_/official_cityscapes.py"
