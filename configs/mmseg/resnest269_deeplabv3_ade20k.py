"""DeepLabV3-ResNeSt-269 on ADE20K: 82.62 pixAcc, 47.60 mIoU."""

_base_ = "./_base_/official_ade20k.py"

model = dict(backbone=dict(architecture="resnest269", init_cfg=dict(checkpoint="resnest269")))
