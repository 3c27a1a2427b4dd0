"""The baseline: DeepLabV3-ResNet-101 on Cityscapes, 79.42 mIoU in the paper."""

_base_ = "./resnet50_deeplabv3_cityscapes.py"

model = dict(backbone=dict(
    depth=101, init_cfg=dict(checkpoint="open-mmlab://resnet101_v1c")))
