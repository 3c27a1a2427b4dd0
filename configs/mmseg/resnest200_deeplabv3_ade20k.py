"""DeepLabV3-ResNeSt-200 on ADE20K: 82.45 pixAcc, 48.36 mIoU."""

_base_ = "./_base_/official_ade20k.py"

model = dict(backbone=dict(architecture="resnest200", init_cfg=dict(checkpoint="resnest200")))
