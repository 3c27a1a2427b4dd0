"""The baseline: DeepLabV3-ResNet-101 on ADE20K, 81.11 pixAcc, 44.14 mIoU in the paper."""

_base_ = "./resnet50_deeplabv3_ade20k.py"

model = dict(backbone=dict(
    depth=101, init_cfg=dict(checkpoint="open-mmlab://resnet101_v1c")))
