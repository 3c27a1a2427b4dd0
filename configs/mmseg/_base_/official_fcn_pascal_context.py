"""FCN on Pascal Context as PyTorch-Encoding has published it (recipes.md 4.5), not in the paper."""

_base_ = "./official_pascal_context.py"

model = dict(decode_head=dict(_delete_=True, num_classes=59, **_base_.encoding_fcn_head))
