"""DeepLabV3-ResNeSt-101 on ADE20K: 82.07 pixAcc, 46.91 mIoU."""

_base_ = "./_base_/official_ade20k.py"

model = dict(backbone=dict(architecture="resnest101", init_cfg=dict(checkpoint="resnest101")))
