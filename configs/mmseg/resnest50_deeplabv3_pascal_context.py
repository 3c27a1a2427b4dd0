"""DeepLabV3-ResNeSt-50 on Pascal Context: 80.41 pixAcc, 53.19 mIoU (recipes.md 4.5).

PyTorch-Encoding alone has trained it: 80 epochs of 312 iterations (4,998 images in batches of 16),
lr 0.001, auxiliary weight 0.2.
"""

_base_ = ["./_base_/official.py", "mmseg::_base_/datasets/pascal_context_59.py"]

model = dict(
    decode_head=dict(num_classes=59),
    auxiliary_head=dict(num_classes=59, loss_decode=dict(loss_weight=0.2)))

train_dataloader = dict(
    batch_size=2, dataset=dict(pipeline={{_base_.official_train_pipeline}}))
val_dataloader = dict(dataset=dict(pipeline={{_base_.official_test_pipeline}}))
test_dataloader = val_dataloader
tta_pipeline = {{_base_.official_tta_pipeline}}
val_evaluator = dict(type="resnest_dense.SegmentationMetric")
test_evaluator = val_evaluator

optimizer = dict(lr=0.001)
optim_wrapper = dict(optimizer=optimizer)
train_cfg = dict(max_iters=80 * 312, val_interval=8 * 312)
param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, end=80 * 312, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=8 * 312))
