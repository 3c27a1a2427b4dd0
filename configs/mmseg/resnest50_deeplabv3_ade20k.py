"""DeepLabV3-ResNeSt-50 on ADE20K: 81.17 pixAcc, 45.12 mIoU."""

_base_ = "./_base_/official_ade20k.py"
