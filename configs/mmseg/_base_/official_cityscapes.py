"""The paper's networks on Cityscapes (docs/recipes.md 4.6).

No source has the recipe of the paper's numbers. This is GluonCV's for its other networks
(docs/recipes.md 4.3): longer side 2048 at scale 1, crops of 768, lr 0.01, 240 epochs of 185
iterations (2,975 images in batches of 16).
"""

_base_ = ["./official.py", "mmseg::_base_/datasets/cityscapes.py"]

model = dict(
    data_preprocessor=dict(size=(768, 768)),
    decode_head=dict(num_classes=19),
    auxiliary_head=dict(num_classes=19))

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomResize", scale=(2048, 2048), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="Pad", size=(768, 768), pad_val=dict(img=0, seg=255)),
    dict(type="RandomCrop", crop_size=(768, 768)),
    dict(type="resnest_dense.RandomGaussianBlur", prob=0.5),
    dict(type="PackSegInputs"),
]
tta_model = dict(base_size=2048, crop_size=768, scales=(0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25))

train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
tta_pipeline = _base_.official_tta_pipeline
val_evaluator = dict(type="resnest_dense.SegmentationMetric")
test_evaluator = val_evaluator

iterations = 240 * 185
train_cfg = dict(max_iters=iterations, val_interval=iterations // 10)
param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, end=iterations, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=iterations // 10))
