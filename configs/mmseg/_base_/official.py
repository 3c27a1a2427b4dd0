"""DeepLabV3 as in the paper (docs/recipes.md 4.1 to 4.3): network, optimizer, augmentation.

Where its sources differ (docs/recipes.md 7) this follows the GluonCV runs that the paper reports:
auxiliary weight 0.5 (PyTorch-Encoding 0.2), lr 0.01 and ten times that in the heads, which is the
paper's "0.1" (PyTorch-Encoding's train.py 0.004), blurred images, and no warm-up. What
PyTorch-Encoding alone has trained follows its commands, under names that begin with ``encoding``.
"""

_base_ = [
    "mmseg::_base_/models/deeplabv3_r50-d8.py", "mmseg::_base_/schedules/schedule_160k.py",
    "mmseg::_base_/default_runtime.py"]
custom_imports = dict(imports=["resnest_dense.mmseg"], allow_failed_imports=False)

norm_cfg = dict(type="SyncBN", requires_grad=True)
# Pixels without a class do not count in the mean, unlike by MMSegmentation's default.
loss = dict(type="CrossEntropyLoss", use_sigmoid=False, avg_non_ignore=True)
model = dict(
    data_preprocessor=dict(size=(480, 480)),
    pretrained=None,
    backbone=dict(
        _delete_=True, type="resnest_dense.ResNeSt", architecture="resnest50", output_stride=8,
        dilated_form="official", norm_cfg=norm_cfg,
        init_cfg=dict(type="Pretrained", checkpoint="resnest50")),
    decode_head=dict(
        type="resnest_dense.DeepLabV3Head", channels=256, dilations=(12, 24, 36),
        align_corners=True, loss_decode=dict(loss, loss_weight=1.0, _delete_=True)),
    auxiliary_head=dict(
        channels=256, align_corners=True,
        loss_decode=dict(loss, loss_weight=0.5, _delete_=True)))
encoding_fcn_head = dict(
    type="FCNHead", in_channels=2048, in_index=3, channels=512, num_convs=1, concat_input=False,
    dropout_ratio=0.1, norm_cfg=norm_cfg, align_corners=True,
    loss_decode=dict(loss, loss_weight=1.0))

# Batch 16: 2 images on each of 8 GPUs.
auto_scale_lr = dict(enable=False, base_batch_size=16)
optimizer = dict(lr=0.01, momentum=0.9, weight_decay=1e-4)
optim_wrapper = dict(
    optimizer=optimizer,
    paramwise_cfg=dict(
        custom_keys={"decode_head": dict(lr_mult=10), "auxiliary_head": dict(lr_mult=10)}))

# The longer side is drawn from half to twice 520, as the official code does.
official_train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomResize", scale=(520, 520), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="Pad", size=(480, 480), pad_val=dict(img=0, seg=255)),
    dict(type="RandomCrop", crop_size=(480, 480)),
    dict(type="resnest_dense.RandomGaussianBlur", prob=0.5),
    dict(type="PackSegInputs"),
]
encoding_train_pipeline = [
    step for step in official_train_pipeline if step["type"] != "resnest_dense.RandomGaussianBlur"]
# To watch a run: the shorter side is 480 as in the official one, but nothing is cropped.
official_test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(2048, 480), keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
# The protocol of the published numbers; it resizes by itself.
official_tta_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
tta_model = dict(
    _delete_=True, type="resnest_dense.PublishedProtocol", base_size=520, crop_size=480,
    scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75))

default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))
custom_hooks = [
    dict(type="resnest_dense.PreflightHook"),
    dict(type="resnest_dense.IterationSeedHook"),
]
randomness = dict(seed=0)
