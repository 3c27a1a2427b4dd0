"""DeepLabV3+-ResNeSt-101 on Cityscapes in MMSegmentation's recipe.

Its own row has 79.62 mIoU, 80.27 with scales and flips (docs/recipes.md 4.7).
"""

_base_ = [
    "mmseg::resnest/resnest_s101-d8_deeplabv3plus_4xb2-80k_cityscapes-512x1024.py",
    "./_base_/recipe.py"]

model = dict(pretrained=None, backbone=dict(_delete_=True, **_base_.recipe_resnest_d8))
