"""FCN on ADE20K as PyTorch-Encoding has published it (docs/recipes.md 4.5), not in the paper.

Its command's defaults (docs/recipes.md 4.3, train.py): 180 epochs of 1,263 iterations, lr 0.004,
auxiliary weight 0.2, no blur. Its train_dist.py has 120 epochs and 0.01.
"""

_base_ = "./official_ade20k.py"

model = dict(
    decode_head=dict(_delete_=True, num_classes=150, **_base_.encoding_fcn_head),
    auxiliary_head=dict(loss_decode=dict(loss_weight=0.2)))
train_dataloader = dict(dataset=dict(pipeline=_base_.encoding_train_pipeline))

optimizer = dict(lr=0.004)
optim_wrapper = dict(optimizer=optimizer)
iterations = 180 * 1263
train_cfg = dict(max_iters=iterations, val_interval=iterations // 18)
param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, end=iterations, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=iterations // 18))
