"""DeepLabV3-ResNeSt-200 on Cityscapes: no published result."""

_base_ = "./resnest50_deeplabv3_cityscapes.py"

model = dict(backbone=dict(architecture="resnest200", init_cfg=dict(checkpoint="resnest200")))
