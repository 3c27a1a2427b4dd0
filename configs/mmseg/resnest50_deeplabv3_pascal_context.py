"""DeepLabV3-ResNeSt-50 on Pascal Context: 80.41 pixAcc, 53.19 mIoU."""

_base_ = "./_base_/official_pascal_context.py"
