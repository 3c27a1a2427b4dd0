"""PSPNet-ResNeSt-101 on Pascal Context in MMSegmentation's recipe; no published result."""

_base_ = [
    "mmseg::pspnet/pspnet_r101-d8_4xb4-80k_pascal-context-59-480x480.py", "./_base_/recipe.py"]

model = dict(pretrained=None, backbone=dict(_delete_=True, **_base_.recipe_resnest_d8))
