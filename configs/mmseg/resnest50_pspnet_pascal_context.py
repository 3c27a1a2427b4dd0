"""PSPNet-ResNeSt-50 on Pascal Context in MMSegmentation's recipe; no published result."""

_base_ = "./resnest101_pspnet_pascal_context.py"

model = dict(backbone=dict(
    architecture="resnest50", init_cfg=dict(checkpoint="open-mmlab://resnest50")))
