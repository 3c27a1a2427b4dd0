"""DeepLabV3-ResNeSt-26 on Pascal Context: a small network, not in the paper."""

_base_ = "./_base_/official_pascal_context.py"

model = dict(backbone=dict(architecture="resnest26", init_cfg=dict(checkpoint="resnest26")))
