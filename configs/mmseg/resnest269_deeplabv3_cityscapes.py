"""DeepLabV3-ResNeSt-269 on Cityscapes: no published result."""

_base_ = "./_base_/official_cityscapes.py"

model = dict(backbone=dict(architecture="resnest269", init_cfg=dict(checkpoint="resnest269")))
