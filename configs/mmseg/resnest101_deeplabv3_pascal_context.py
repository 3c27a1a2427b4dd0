"""DeepLabV3-ResNeSt-101 on Pascal Context: 81.91 pixAcc, 56.49 mIoU."""

_base_ = "./_base_/official_pascal_context.py"

model = dict(backbone=dict(architecture="resnest101", init_cfg=dict(checkpoint="resnest101")))
