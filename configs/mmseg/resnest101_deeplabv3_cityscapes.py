"""DeepLabV3-ResNeSt-101 on Cityscapes: 80.42 mIoU in the paper."""

_base_ = "./_base_/official_cityscapes.py"

model = dict(backbone=dict(architecture="resnest101", init_cfg=dict(checkpoint="resnest101")))
