"""DeepLabV3-ResNeSt-200 on Cityscapes: no published result."""

_base_ = "./_base_/official_cityscapes.py"

model = dict(backbone=dict(architecture="resnest200", init_cfg=dict(checkpoint="resnest200")))
