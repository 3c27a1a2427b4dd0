"""The paper's networks on Pascal Context (docs/recipes.md 4.3).

PyTorch-Encoding alone has trained them: 80 epochs of 312 iterations (4,998 images in batches of
16), lr 0.001, auxiliary weight 0.2, no blur.
"""

_base_ = ["./official.py", "mmseg::_base_/datasets/pascal_context_59.py"]

model = dict(
    decode_head=dict(num_classes=59),
    auxiliary_head=dict(num_classes=59, loss_decode=dict(loss_weight=0.2)))

train_dataloader = dict(
    batch_size=2, dataset=dict(pipeline=_base_.encoding_train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.official_test_pipeline))
test_dataloader = val_dataloader
tta_pipeline = _base_.official_tta_pipeline
val_evaluator = dict(type="resnest_dense.SegmentationMetric")
test_evaluator = val_evaluator

optimizer = dict(lr=0.001)
optim_wrapper = dict(optimizer=optimizer)
iterations = 80 * 312
train_cfg = dict(max_iters=iterations, val_interval=iterations // 10)
param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, end=iterations, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=iterations // 10))
