"""UPerNet-ResNeSt-101 on Cityscapes in MMSegmentation's recipe; no published result."""

_base_ = ["mmseg::upernet/upernet_r101_4xb2-80k_cityscapes-512x1024.py", "./_base_/recipe.py"]

model = dict(pretrained=None, backbone=dict(_delete_=True, **_base_.recipe_resnest))
