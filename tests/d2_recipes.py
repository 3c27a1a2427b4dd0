"""What the published recipes say (docs/recipes.md 2.1 to 2.6 and section 6), by config and key."""

# Keys that all published experiments share.
COMMON = {
    "MODEL.META_ARCHITECTURE": "GeneralizedRCNN",
    "MODEL.BACKBONE.FREEZE_AT": 2,
    "MODEL.RESNETS.NORM": "SyncBN",
    "MODEL.RESNETS.OUT_FEATURES": ["res2", "res3", "res4", "res5"],
    "MODEL.FPN.NORM": "SyncBN",
    "MODEL.FPN.IN_FEATURES": ["res2", "res3", "res4", "res5"],
    "MODEL.FPN.OUT_CHANNELS": 256,
    "MODEL.FPN.FUSE_TYPE": "sum",
    "MODEL.ANCHOR_GENERATOR.SIZES": [[32], [64], [128], [256], [512]],
    "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS": [[0.5, 1.0, 2.0]],
    "MODEL.ANCHOR_GENERATOR.OFFSET": 0.0,
    "MODEL.RPN.IN_FEATURES": ["p2", "p3", "p4", "p5", "p6"],
    "MODEL.RPN.PRE_NMS_TOPK_TRAIN": 2000,
    "MODEL.RPN.PRE_NMS_TOPK_TEST": 1000,
    "MODEL.RPN.POST_NMS_TOPK_TEST": 1000,
    "MODEL.RPN.NMS_THRESH": 0.7,
    "MODEL.RPN.BATCH_SIZE_PER_IMAGE": 256,
    "MODEL.RPN.POSITIVE_FRACTION": 0.5,
    "MODEL.RPN.SMOOTH_L1_BETA": 0.0,
    "MODEL.ROI_HEADS.IN_FEATURES": ["p2", "p3", "p4", "p5"],
    "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": 512,
    "MODEL.ROI_HEADS.POSITIVE_FRACTION": 0.25,
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": 0.05,
    "MODEL.ROI_HEADS.NMS_THRESH_TEST": 0.5,
    "MODEL.ROI_HEADS.NUM_CLASSES": 80,
    "MODEL.ROI_BOX_HEAD.NAME": "FastRCNNConvFCHead",
    "MODEL.ROI_BOX_HEAD.NUM_CONV": 4,
    "MODEL.ROI_BOX_HEAD.NUM_FC": 1,
    "MODEL.ROI_BOX_HEAD.FC_DIM": 1024,
    "MODEL.ROI_BOX_HEAD.CONV_DIM": 256,
    "MODEL.ROI_BOX_HEAD.NORM": "SyncBN",
    "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": 7,
    "MODEL.ROI_BOX_HEAD.POOLER_TYPE": "ROIAlignV2",
    "MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO": 0,
    "INPUT.MIN_SIZE_TEST": 800,
    "INPUT.MAX_SIZE_TEST": 1333,
    "INPUT.MASK_FORMAT": "polygon",
    "DATASETS.TRAIN": ("coco_2017_train",),
    "DATASETS.TEST": ("coco_2017_val",),
    "SOLVER.IMS_PER_BATCH": 16,
    "SOLVER.BASE_LR": 0.02,
    "SOLVER.MOMENTUM": 0.9,
    "SOLVER.GAMMA": 0.1,
    "SOLVER.WARMUP_ITERS": 1000,
    "SOLVER.WEIGHT_DECAY": 0.0001,
    "SOLVER.WEIGHT_DECAY_NORM": 0.0,
    "SOLVER.CLIP_GRADIENTS.ENABLED": False,
    "TEST.PRECISE_BN.ENABLED": True,
    "TEST.PRECISE_BN.NUM_ITER": 200,
    "TEST.EVAL_PERIOD": 0,
    "TEST.DETECTIONS_PER_IMAGE": 100,
}
RESNEST = {
    "MODEL.BACKBONE.NAME": "build_resnest_fpn_backbone",
    "MODEL.RESNETS.STRIDE_IN_1X1": False,
    "MODEL.RESNETS.RADIX": 2,
    "MODEL.PIXEL_MEAN": [123.68, 116.779, 103.939],
    "MODEL.PIXEL_STD": [58.393, 57.12, 57.375],
    "INPUT.FORMAT": "RGB",
}
RESNET = {
    "MODEL.BACKBONE.NAME": "build_resnet_fpn_backbone",
    "MODEL.RESNETS.STRIDE_IN_1X1": True,
    "MODEL.PIXEL_MEAN": [103.53, 116.28, 123.675],
    "MODEL.PIXEL_STD": [1.0, 1.0, 1.0],
    "INPUT.FORMAT": "BGR",
}
PLAIN = {"MODEL.RESNETS.DEFORM_ON_PER_STAGE": [False] * 4}
DCN = {
    "MODEL.RESNETS.DEFORM_ON_PER_STAGE": [False, True, True, True],
    "MODEL.RESNETS.DEFORM_MODULATED": True,
    "MODEL.RESNETS.DEFORM_NUM_GROUPS": 2,
}
ONE_STAGE = {
    "MODEL.ROI_HEADS.NAME": "StandardROIHeads",
    "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG": False,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": 1000,
}
CASCADE = {
    "MODEL.ROI_HEADS.NAME": "CascadeROIHeads",
    "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG": True,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": 2000,
    "MODEL.ROI_BOX_CASCADE_HEAD.IOUS": (0.5, 0.6, 0.7),
    "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS": (
        (10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0)),
}
BOXES = {
    "MODEL.MASK_ON": False,
    "INPUT.MIN_SIZE_TRAIN": (640, 800),
    "INPUT.MIN_SIZE_TRAIN_SAMPLING": "range",
}
MASKS = {
    "MODEL.MASK_ON": True,
    "MODEL.ROI_MASK_HEAD.NUM_CONV": 4,
    "MODEL.ROI_MASK_HEAD.NORM": "SyncBN",
    "MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION": 14,
    "MODEL.ROI_MASK_HEAD.CONV_DIM": 256,
    "MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK": False,
    "INPUT.MIN_SIZE_TRAIN": (640, 672, 704, 736, 768, 800),
    "INPUT.MIN_SIZE_TRAIN_SAMPLING": "choice",
}
ONE_X = {
    "SOLVER.STEPS": (60000, 80000),
    "SOLVER.MAX_ITER": 90000,
    "INPUT.MAX_SIZE_TRAIN": 1333,
    "INPUT.CROP.ENABLED": False,
}
TRICKS = {
    "SOLVER.STEPS": (240000, 255000),
    "SOLVER.MAX_ITER": 270000,
    "INPUT.MIN_SIZE_TRAIN": (640, 864),
    "INPUT.MIN_SIZE_TRAIN_SAMPLING": "range",
    "INPUT.MAX_SIZE_TRAIN": 1440,
    "INPUT.CROP.ENABLED": True,
    "INPUT.CROP.TYPE": "relative_range",
    "INPUT.CROP.SIZE": [0.9, 0.9],
    "MODEL.ROI_MASK_HEAD.NUM_CONV": 8,
}
METHODS = {
    "faster_rcnn": ONE_STAGE | BOXES,
    "cascade_rcnn": CASCADE | BOXES,
    "mask_rcnn": ONE_STAGE | MASKS,
    "cascade_mask_rcnn": CASCADE | MASKS,
}
# Networks before ResNeSt in the recipe of its rows; names in the catalog of weights.
FAMILY = ("resnet50d", "resnext50_32x4d", "resnext101_32x8d", "seresnet50", "sknet50")
WEIGHTS = {
    "resnest14": "gluon_resnest14-9c8fe254.pth",
    "resnest26": "gluon_resnest26-50eb607c.pth",
    "resnest50": "resnest50-528c19ca.pth",
    "resnest101": "resnest101-22405ba7.pth",
    "resnest200": "resnest200-75117900.pth",
    "resnet50": "MSRA/R-50.pkl",
    "resnet101": "MSRA/R-101.pkl",
    **{name: name for name in FAMILY},
}
FROZEN = {
    "MODEL.RESNETS.NORM": "FrozenBN",
    "MODEL.FPN.NORM": "",
    "MODEL.ROI_BOX_HEAD.NUM_CONV": 0,
    "MODEL.ROI_BOX_HEAD.NUM_FC": 2,
    "MODEL.ROI_BOX_HEAD.NORM": "",
    "MODEL.ROI_MASK_HEAD.NORM": "",
    "TEST.PRECISE_BN.ENABLED": False,
}
THREE_X = ONE_X | {"SOLVER.STEPS": (210000, 250000), "SOLVER.MAX_ITER": 270000}
PANOPTIC = CASCADE | MASKS | {
    "MODEL.META_ARCHITECTURE": "PanopticFPN",
    "MODEL.ROI_MASK_HEAD.NORM": "",
    "MODEL.SEM_SEG_HEAD.LOSS_WEIGHT": 0.5,
    "MODEL.SEM_SEG_HEAD.NUM_CLASSES": 54,
    "MODEL.SEM_SEG_HEAD.CONVS_DIM": 128,
    "MODEL.SEM_SEG_HEAD.COMMON_STRIDE": 4,
    "MODEL.PANOPTIC_FPN.COMBINE.OVERLAP_THRESH": 0.5,
    "MODEL.PANOPTIC_FPN.COMBINE.STUFF_AREA_LIMIT": 4096,
    "MODEL.PANOPTIC_FPN.COMBINE.INSTANCES_CONFIDENCE_THRESH": 0.5,
    "DATASETS.TRAIN": ("coco_2017_train_panoptic_separated",),
    "DATASETS.TEST": ("coco_2017_val_panoptic_separated",),
    "SOLVER.STEPS": (240000, 255000),
    "SOLVER.MAX_ITER": 270000,
    "INPUT.MIN_SIZE_TRAIN": (400, 1000),
    "INPUT.MIN_SIZE_TRAIN_SAMPLING": "range",
    "INPUT.MAX_SIZE_TRAIN": 1440,
    "INPUT.CROP.ENABLED": False,
    "TEST.AUG.ENABLED": True,
}
KEYPOINTS = CASCADE | THREE_X | {
    "MODEL.MASK_ON": False,
    "MODEL.KEYPOINT_ON": True,
    "MODEL.ROI_HEADS.NUM_CLASSES": 1,
    "MODEL.ROI_BOX_HEAD.SMOOTH_L1_BETA": 0.5,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": 1500,
    "DATASETS.TRAIN": ("keypoints_coco_2017_train",),
    "DATASETS.TEST": ("keypoints_coco_2017_val",),
}
# The linear rule: 2 images instead of 16 need an eighth of the learning rate, eight times as long.
ONE_GPU = ONE_X | {
    "SOLVER.IMS_PER_BATCH": 2,
    "SOLVER.BASE_LR": 0.02 / 8,
    "SOLVER.WARMUP_ITERS": 1000 * 8,
    "SOLVER.STEPS": (60000 * 8, 80000 * 8),
    "SOLVER.MAX_ITER": 90000 * 8,
}
GROUPED = {
    "MODEL.RESNETS.NORM": "FrozenBN",
    "MODEL.FPN.NORM": "GN",
    "MODEL.ROI_BOX_HEAD.NORM": "GN",
    "MODEL.ROI_MASK_HEAD.NORM": "GN",
    "TEST.PRECISE_BN.ENABLED": False,
}
# The 21 published experiments.
PUBLISHED = {
    **{f"{net}_{method}": METHODS[method] | ONE_X | PLAIN
       for net in ("resnet50", "resnet101", "resnest50", "resnest101") for method in METHODS},
    "resnest200_cascade_rcnn": METHODS["cascade_rcnn"] | ONE_X | PLAIN,
    "resnest50_dcn_faster_rcnn": METHODS["faster_rcnn"] | ONE_X | DCN,
    "resnest200_cascade_mask_rcnn_tricks_3x": METHODS["cascade_mask_rcnn"] | TRICKS | PLAIN,
    "resnest200_dcn_cascade_mask_rcnn_tricks_3x": METHODS["cascade_mask_rcnn"] | TRICKS | DCN,
    "resnest200_panoptic_fpn_tricks_3x": PANOPTIC | PLAIN,
}
# What has no published config: rows of the paper's tables 9, 11 and 12, the fork's keypoint branch,
# and training on one GPU.
UNPUBLISHED = {
    "resnest101_dcn_cascade_rcnn": METHODS["cascade_rcnn"] | ONE_X | DCN,
    "resnest101_dcn_cascade_mask_rcnn": METHODS["cascade_mask_rcnn"] | ONE_X | DCN,
    **{f"{net}_{method}_frozenbn{suffix}": METHODS[method] | schedule | FROZEN | PLAIN
       for net in ("resnet50", "resnet101", "resnest50", "resnest101")
       for method in ("mask_rcnn", "cascade_mask_rcnn")
       for suffix, schedule in (("", ONE_X), ("_3x", THREE_X))},
    **{f"{net}_keypoint_rcnn_3x": KEYPOINTS | PLAIN
       for net in ("resnet50", "resnest50", "resnest101")},
    **{f"resnest50_{method}_{norm}_1gpu": METHODS[method] | ONE_GPU | keys | PLAIN
       for method in ("faster_rcnn", "mask_rcnn")
       for norm, keys in (("frozenbn", FROZEN), ("gn", GROUPED))},
    **{f"{net}_{method}": METHODS[method] | ONE_X | PLAIN
       for net in ("resnest14", "resnest26") for method in METHODS},
    **{f"{net}_{method}": METHODS[method] | ONE_X | PLAIN
       for net in FAMILY for method in ("faster_rcnn", "mask_rcnn")},
}


def network_of(name):
    """The network that a config is called after."""
    return next(net for net in sorted(WEIGHTS, key=len, reverse=True) if name.startswith(net))


def expected_settings(name):
    """The settings of a shipped config by key, and the end of its weights' address."""
    network, row = network_of(name), (PUBLISHED | UNPUBLISHED)[name]
    if network in FAMILY:
        keys = RESNEST | {"MODEL.RESNETS.ARCHITECTURE": network}
    elif network.startswith("resnest"):
        keys = RESNEST | {"MODEL.RESNETS.DEPTH": int(network[7:])}
    else:
        keys = RESNET | {"MODEL.RESNETS.DEPTH": int(network[6:])}
    return COMMON | row | keys, WEIGHTS[network]
