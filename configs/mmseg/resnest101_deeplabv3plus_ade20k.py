"""DeepLabV3+-ResNeSt-101 on ADE20K in MMSegmentation's recipe.

Its own row has 46.47 mIoU, 47.27 with scales and flips (docs/recipes.md 4.7).
"""

_base_ = [
    "mmseg::resnest/resnest_s101-d8_deeplabv3plus_4xb4-160k_ade20k-512x512.py",
    "./_base_/recipe.py"]

model = dict(pretrained=None, backbone=dict(_delete_=True, **_base_.recipe_resnest_d8))
