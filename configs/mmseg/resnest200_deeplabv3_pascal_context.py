"""DeepLabV3-ResNeSt-200 on Pascal Context: 82.50 pixAcc, 58.37 mIoU."""

_base_ = "./_base_/official_pascal_context.py"

model = dict(backbone=dict(architecture="resnest200", init_cfg=dict(checkpoint="resnest200")))
