"""What the configs in MMSegmentation's recipe (docs/recipes.md 4.7) share: our backbone for S-101.

``dilated_form="mmseg"`` is the network of the weights released with those rows, so that they are
tested as they are.
"""

custom_imports = dict(imports=["resnest_dense.mmseg"], allow_failed_imports=False)

recipe_resnest = dict(
    type="resnest_dense.ResNeSt", architecture="resnest101",
    norm_cfg=dict(type="SyncBN", requires_grad=True),
    init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://resnest101"))
recipe_resnest_d8 = dict(recipe_resnest, output_stride=8, dilated_form="mmseg")

custom_hooks = [
    dict(type="resnest_dense.PreflightHook"),
    dict(type="resnest_dense.IterationSeedHook"),
]
randomness = dict(seed=0)
