"""DeepLabV3-ResNeXt-50 32x4d on ADE20K, in the recipe of the ResNeSt rows; no published figure."""

_base_ = "./_base_/official_ade20k.py"

model = dict(backbone=dict(
    architecture="resnext50_32x4d", init_cfg=dict(checkpoint="resnext50_32x4d")))
