"""DeepLabV3-ResNeSt-14 on Cityscapes: a small network, not in the paper."""

_base_ = "./_base_/official_cityscapes.py"

model = dict(backbone=dict(architecture="resnest14", init_cfg=dict(checkpoint="resnest14")))
