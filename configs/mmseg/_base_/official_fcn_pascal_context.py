"""FCN on Pascal Context as PyTorch-Encoding, not the paper, has it (docs/recipes.md 4.5)."""

_base_ = "./official_pascal_context.py"

model = dict(decode_head=dict(_delete_=True, num_classes=59, **_base_.encoding_fcn_head))
