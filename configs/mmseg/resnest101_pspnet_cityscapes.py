"""PSPNet-ResNeSt-101 on Cityscapes in MMSegmentation's recipe.

Its own row has 78.57 mIoU, 79.19 with scales and flips (docs/recipes.md 4.7).
"""

_base_ = [
    "mmseg::resnest/resnest_s101-d8_pspnet_4xb2-80k_cityscapes512x1024.py", "./_base_/recipe.py"]

model = dict(pretrained=None, backbone=dict(_delete_=True, **_base_.recipe_resnest_d8))
