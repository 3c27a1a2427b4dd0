"""The shipped detection configs against the published recipes (recipes.md 2.1 to 2.3)."""

import pytest
import torch
from detectron2.config import get_cfg as get_stock_cfg
from detectron2.modeling import build_model

from resnest_dense import ResNeStError
from resnest_dense.configs import find_config, list_configs
from resnest_dense.d2 import add_resnest_config, get_cfg

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
WEIGHTS = {
    "resnest50": "resnest50-528c19ca.pth",
    "resnest101": "resnest101-22405ba7.pth",
    "resnest200": "resnest200-75117900.pth",
    "resnet50": "MSRA/R-50.pkl",
    "resnet101": "MSRA/R-101.pkl",
}
# The 20 published rows that are no panoptic segmentation, and table 12's ResNeSt-101 with DCNv2.
ROWS = {
    **{f"{net}_{method}": METHODS[method] | ONE_X | PLAIN
       for net in ("resnet50", "resnet101", "resnest50", "resnest101") for method in METHODS},
    "resnest200_cascade_rcnn": METHODS["cascade_rcnn"] | ONE_X | PLAIN,
    "resnest50_dcn_faster_rcnn": METHODS["faster_rcnn"] | ONE_X | DCN,
    "resnest101_dcn_cascade_mask_rcnn": METHODS["cascade_mask_rcnn"] | ONE_X | DCN,
    "resnest200_cascade_mask_rcnn_tricks_3x": METHODS["cascade_mask_rcnn"] | TRICKS | PLAIN,
    "resnest200_dcn_cascade_mask_rcnn_tricks_3x": METHODS["cascade_mask_rcnn"] | TRICKS | DCN,
}


def read(name):
    cfg = get_cfg()
    cfg.merge_from_file(str(find_config(name, "detectron2")))
    return cfg


def value(cfg, key):
    for part in key.split("."):
        cfg = cfg[part]
    return cfg


@pytest.mark.parametrize("name", ROWS)
def test_effective_settings_are_the_published_ones(name):
    cfg = read(f"{name}.yaml")
    network = name.split("_")[0]
    family, depth = (RESNEST, 7) if network.startswith("resnest") else (RESNET, 6)
    expected = COMMON | family | ROWS[name] | {"MODEL.RESNETS.DEPTH": int(network[depth:])}
    assert {key: value(cfg, key) for key in expected} == expected
    assert cfg.MODEL.WEIGHTS.endswith(WEIGHTS[network])


@pytest.mark.parametrize("name", [n for n in list_configs("detectron2") if n.endswith(".yaml")])
def test_every_config_builds(name):
    cfg = read(name)
    cfg.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        model = build_model(cfg)
    assert sum(p.numel() for p in model.parameters()) > 5e6


def test_our_keys_change_no_stock_key():
    stock, ours = get_stock_cfg(), get_stock_cfg()
    add_resnest_config(ours)
    for key in list(ours.MODEL.RESNETS):
        if key not in stock.MODEL.RESNETS:
            del ours.MODEL.RESNETS[key]
    assert ours == stock


def test_official_defaults_of_our_keys():
    keys = get_cfg().MODEL.RESNETS
    assert (keys.DEEP_STEM, keys.AVD, keys.AVG_DOWN, keys.RADIX, keys.BOTTLENECK_WIDTH) == (
        True, True, True, 2, 64)


def test_names_resolve_to_a_path_first_then_to_a_shipped_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = find_config("resnest50_faster_rcnn.yaml", "detectron2")
    assert find_config("resnest50_faster_rcnn", "detectron2") == shipped
    (tmp_path / "resnest50_faster_rcnn.yaml").write_text("VERSION: 2\n")
    assert find_config("resnest50_faster_rcnn.yaml", "detectron2") != shipped
    with pytest.raises(ResNeStError, match="resnest50_faster_rcnn.yaml"):
        find_config("resnest50_fastr_rcnn.yaml", "detectron2")
