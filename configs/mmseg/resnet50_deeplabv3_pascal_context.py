"""The baseline: DeepLabV3-ResNet-50 on Pascal Context, no published result.

All but the backbone is as with ResNeSt. It is MMSegmentation's ResNet with the deep stem, the
nearest to GluonCV's that has published weights.
"""

_base_ = "./_base_/official_pascal_context.py"

model = dict(backbone=dict(
    _delete_=True, type="ResNetV1c", depth=50, dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1),
    contract_dilation=True, norm_cfg=dict(type="SyncBN", requires_grad=True),
    init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://resnet50_v1c")))
