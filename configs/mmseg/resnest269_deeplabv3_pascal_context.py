"""DeepLabV3-ResNeSt-269 on Pascal Context: 83.06 pixAcc, 58.92 mIoU."""

_base_ = "./_base_/official_pascal_context.py"

model = dict(backbone=dict(architecture="resnest269", init_cfg=dict(checkpoint="resnest269")))
