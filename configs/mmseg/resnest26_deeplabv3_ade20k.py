"""DeepLabV3-ResNeSt-26 on ADE20K: a small network, not in the paper."""

_base_ = "./_base_/official_ade20k.py"

model = dict(backbone=dict(architecture="resnest26", init_cfg=dict(checkpoint="resnest26")))
