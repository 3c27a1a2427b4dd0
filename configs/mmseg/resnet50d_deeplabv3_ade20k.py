"""DeepLabV3-ResNet-50-D on ADE20K, in the recipe of the ResNeSt rows; no published figure."""

_base_ = "./_base_/official_ade20k.py"

model = dict(backbone=dict(architecture="resnet50d", init_cfg=dict(checkpoint="resnet50d")))
