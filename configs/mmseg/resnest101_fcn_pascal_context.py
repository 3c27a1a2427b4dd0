"""FCN-ResNeSt-101 on Pascal Context as PyTorch-Encoding's ResNeSt-50; no published result."""

_base_ = "./_base_/official_fcn_pascal_context.py"

model = dict(backbone=dict(architecture="resnest101", init_cfg=dict(checkpoint="resnest101")))
