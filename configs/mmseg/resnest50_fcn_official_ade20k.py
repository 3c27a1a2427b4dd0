"""FCN-ResNeSt-50 on ADE20K as in PyTorch-Encoding: 80.18 pixAcc, 42.94 mIoU."""

_base_ = "./_base_/official_fcn_ade20k.py"
