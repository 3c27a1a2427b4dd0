"""The baseline: DeepLabV3-ResNet-101 on ADE20K, 81.11 pixAcc, 44.14 mIoU in the paper.

All but the backbone is as with ResNeSt. It is MMSegmentation's ResNet with the deep stem, the
nearest to GluonCV's that has published weights.
"""

_base_ = "./resnest50_deeplabv3_ade20k.py"

model = dict(backbone=dict(
    _delete_=True, type="ResNetV1c", depth=101, dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1),
    contract_dilation=True, norm_cfg=dict(type="SyncBN", requires_grad=True),
    init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://resnet101_v1c")))
