"""FCN-ResNeSt-50 on Pascal Context as in PyTorch-Encoding: 79.19 pixAcc, 51.98 mIoU."""

_base_ = "./_base_/official_fcn_pascal_context.py"
