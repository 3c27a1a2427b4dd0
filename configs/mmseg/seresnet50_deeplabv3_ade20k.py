"""DeepLabV3-SE-ResNet-50 on ADE20K, in the recipe of the ResNeSt rows; no published figure."""

_base_ = "./_base_/official_ade20k.py"

model = dict(backbone=dict(architecture="seresnet50", init_cfg=dict(checkpoint="seresnet50")))
