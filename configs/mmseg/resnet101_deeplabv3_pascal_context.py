"""The baseline: DeepLabV3-ResNet-101 on Pascal Context, no published result."""

_base_ = "./resnet50_deeplabv3_pascal_context.py"

model = dict(backbone=dict(
    depth=101, init_cfg=dict(checkpoint="open-mmlab://resnet101_v1c")))
