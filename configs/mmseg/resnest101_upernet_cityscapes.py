"""UPerNet-ResNeSt-101 on Cityscapes in MMSegmentation's recipe for ResNet-101, no result known."""

_base_ = ["mmseg::upernet/upernet_r101_4xb2-80k_cityscapes-512x1024.py"]
custom_imports = dict(imports=["resnest_dense.mmseg"], allow_failed_imports=False)

model = dict(
    pretrained=None,
    backbone=dict(
        _delete_=True, type="resnest_dense.ResNeSt", architecture="resnest101",
        norm_cfg=dict(type="SyncBN", requires_grad=True),
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://resnest101")))

custom_hooks = [
    dict(type="resnest_dense.PreflightHook"),
    dict(type="resnest_dense.IterationSeedHook"),
]
randomness = dict(seed=0)
