"""UPerNet-ResNeSt-101 on ADE20K in MMSegmentation's recipe; no published result."""

_base_ = ["mmseg::upernet/upernet_r101_4xb4-160k_ade20k-512x512.py", "./_base_/recipe.py"]

model = dict(pretrained=None, backbone=dict(_delete_=True, **_base_.recipe_resnest))
