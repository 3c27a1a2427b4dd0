"""DeepLabV3-ResNeSt-101 on ADE20K in MMSegmentation's recipe (recipes.md 4.7).

Its row has 45.71 mIoU, 46.59 with flips and scales. ``dilated_form="mmseg"`` is the network of its
released weights, which this config tests as they are.
"""

_base_ = ["mmseg::resnest/resnest_s101-d8_deeplabv3_4xb4-160k_ade20k-512x512.py"]
custom_imports = dict(imports=["resnest_dense.mmseg"], allow_failed_imports=False)

model = dict(
    pretrained=None,
    backbone=dict(
        _delete_=True, type="resnest_dense.ResNeSt", architecture="resnest101", output_stride=8,
        dilated_form="mmseg", norm_cfg=dict(type="SyncBN", requires_grad=True),
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://resnest101")))

custom_hooks = [
    dict(type="resnest_dense.PreflightHook"),
    dict(type="resnest_dense.IterationSeedHook"),
]
randomness = dict(seed=0)
