"""The paper's networks on ADE20K (docs/recipes.md 4.3).

120 epochs of 1,263 iterations (20,210 images in batches of 16), as the paper and the GluonCV
scripts say; PyTorch-Encoding's commands have 180 for ResNeSt-101 and -200.
"""

_base_ = ["./official.py", "mmseg::_base_/datasets/ade20k.py"]

model = dict(
    decode_head=dict(num_classes=150),
    auxiliary_head=dict(num_classes=150))

train_dataloader = dict(
    batch_size=2, dataset=dict(pipeline=_base_.official_train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.official_test_pipeline))
test_dataloader = val_dataloader
tta_pipeline = _base_.official_tta_pipeline
val_evaluator = dict(type="resnest_dense.SegmentationMetric")
test_evaluator = val_evaluator

iterations = 120 * 1263
train_cfg = dict(max_iters=iterations, val_interval=iterations // 12)
param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, end=iterations, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=iterations // 12))
