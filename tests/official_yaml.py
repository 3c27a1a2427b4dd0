"""The official detectron2 YAML files, written from what docs/recipes.md 2 says of them."""

import yaml

ADDRESS = "https://s3.us-west-1.wasabisys.com/resnest/detectron/"
RESNESTS = {50: "resnest50_detectron-255b5649.pth", 101: "resnest101_detectron-486f69a8.pth",
            200: "resnest200_detectron-02644020.pth"}
DCN = {"DEFORM_ON_PER_STAGE": [False, True, True, True], "DEFORM_MODULATED": True,
       "DEFORM_NUM_GROUPS": 2}
BASES = {
    "Base-RCNN-FPN.yaml": {
        "MODEL": {
            "META_ARCHITECTURE": "GeneralizedRCNN",
            "BACKBONE": {"NAME": "build_resnet_fpn_backbone"},
            "RESNETS": {"OUT_FEATURES": ["res2", "res3", "res4", "res5"]},
            "FPN": {"IN_FEATURES": ["res2", "res3", "res4", "res5"]},
            "ANCHOR_GENERATOR": {"SIZES": [[32], [64], [128], [256], [512]],
                                 "ASPECT_RATIOS": [[0.5, 1.0, 2.0]]},
            "RPN": {"IN_FEATURES": ["p2", "p3", "p4", "p5", "p6"], "PRE_NMS_TOPK_TRAIN": 2000,
                    "PRE_NMS_TOPK_TEST": 1000, "POST_NMS_TOPK_TRAIN": 1000,
                    "POST_NMS_TOPK_TEST": 1000},
            "ROI_HEADS": {"NAME": "StandardROIHeads", "IN_FEATURES": ["p2", "p3", "p4", "p5"]},
            "ROI_BOX_HEAD": {"NAME": "FastRCNNConvFCHead", "NUM_FC": 2, "POOLER_RESOLUTION": 7},
            "ROI_MASK_HEAD": {"NAME": "MaskRCNNConvUpsampleHead", "NUM_CONV": 4,
                              "POOLER_RESOLUTION": 14},
        },
        "DATASETS": {"TRAIN": '("coco_2017_train",)', "TEST": '("coco_2017_val",)'},
        "SOLVER": {"IMS_PER_BATCH": 16, "BASE_LR": 0.02, "STEPS": "(60000, 80000)",
                   "MAX_ITER": 90000},
        "INPUT": {"MIN_SIZE_TRAIN": "(640, 672, 704, 736, 768, 800)"},
        "VERSION": 2,
    },
    "ResNest-Base-RCNN-FPN.yaml": {
        "_BASE_": "Base-RCNN-FPN.yaml",
        "MODEL": {"BACKBONE": {"NAME": "build_resnest_fpn_backbone"}},
    },
}
PANOPTIC_BASE = {
    "MODEL": {"META_ARCHITECTURE": "PanopticFPN", "MASK_ON": True,
              "SEM_SEG_HEAD": {"LOSS_WEIGHT": 0.5}},
    "DATASETS": {"TRAIN": '("coco_2017_train_panoptic_separated",)',
                 "TEST": '("coco_2017_val_panoptic_separated",)'},
    "DATALOADER": {"FILTER_EMPTY_ANNOTATIONS": False},
}


def leaf(network, method, *, dcn=False, tricks=False):
    """The content of an experiment's file, without its base."""
    kind, depth = network
    resnest = kind == "resnest"
    box = {"NAME": "FastRCNNConvFCHead", "NUM_CONV": 4, "NUM_FC": 1, "NORM": "SyncBN"}
    keys = {"DEPTH": depth, "NORM": "SyncBN"}
    model = {"WEIGHTS": f"detectron2://ImageNetPretrained/MSRA/R-{depth}.pkl", "RESNETS": keys,
             "FPN": {"NORM": "SyncBN"}, "ROI_BOX_HEAD": box}
    content = {"MODEL": model, "SOLVER": {"IMS_PER_BATCH": 16, "BASE_LR": 0.02},
               "INPUT": {}, "TEST": {"PRECISE_BN": {"ENABLED": True}}}
    if resnest:
        keys |= {"STRIDE_IN_1X1": False, "RADIX": 2, **(DCN if dcn else {})}
        model |= {"WEIGHTS": ADDRESS + RESNESTS[depth], "PIXEL_MEAN": [123.68, 116.779, 103.939],
                  "PIXEL_STD": [58.393, 57.12, 57.375]}
        content["INPUT"] |= {"FORMAT": "RGB"}
    if method != "panoptic":
        model["MASK_ON"] = "mask" in method
    if "mask" in method:
        model["ROI_MASK_HEAD"] = {"NORM": "SyncBN"}
    if "faster" in method:
        content["INPUT"] |= {"MIN_SIZE_TRAIN": "(640, 800)", "MIN_SIZE_TRAIN_SAMPLING": "range",
                             "MAX_SIZE_TRAIN": 1333}
    if method == "panoptic" or "cascade" in method:
        model["ROI_HEADS"] = {"NAME": "CascadeROIHeads"}
        model["RPN"] = {"POST_NMS_TOPK_TRAIN": 2000}
        box["CLS_AGNOSTIC_BBOX_REG"] = True
    if method == "panoptic":
        model["SEM_SEG_HEAD"] = {"NORM": "SyncBN"}
        content["TEST"] |= {"AUG": {"ENABLED": True}}
        content["INPUT"] |= {"MIN_SIZE_TRAIN": "(400, 1000)"}
    elif tricks:
        model["ROI_MASK_HEAD"] |= {"NUM_CONV": 8}
        content["INPUT"] |= {"MIN_SIZE_TRAIN": "(640, 864)", "CROP": {"ENABLED": True}}
    if tricks:
        content["SOLVER"] |= {"STEPS": "(240000, 255000)", "MAX_ITER": 270000}
        content["INPUT"] |= {"MIN_SIZE_TRAIN_SAMPLING": "range", "MAX_SIZE_TRAIN": 1440}
    return content


NETWORKS = {"resnet50": ("resnet", 50), "resnet101": ("resnet", 101), "resnest50": ("resnest", 50),
            "resnest101": ("resnest", 101)}
METHODS = {"faster_rcnn": "faster", "cascade_rcnn": "faster_cascade", "mask_rcnn": "mask",
           "cascade_mask_rcnn": "mask_cascade"}
S200 = ("resnest", 200)
# The 21 files by the name of our config of the same experiment.
FILES = {
    **{f"{net}_{ours}": leaf(network, theirs) for net, network in NETWORKS.items()
       for ours, theirs in METHODS.items()},
    "resnest50_dcn_faster_rcnn": leaf(("resnest", 50), "faster", dcn=True),
    "resnest200_cascade_rcnn": leaf(S200, "faster_cascade"),
    "resnest200_cascade_mask_rcnn_tricks_3x": leaf(S200, "mask_cascade", tricks=True),
    "resnest200_dcn_cascade_mask_rcnn_tricks_3x": leaf(S200, "mask_cascade", dcn=True, tricks=True),
    "resnest200_panoptic_fpn_tricks_3x": leaf(S200, "panoptic", tricks=True),
}


def write_official(folder, name, *, fork=False):
    """Writes an experiment's file and its chain of bases as in the official repository, or as in
    its forerunner, a fork of detectron2 whose plain ResNet became a ResNeSt; gives the file's path.
    """
    for base, content in BASES.items():
        (folder / base).write_text(yaml.safe_dump(content))
    resnest = name.startswith("resnest") and not fork
    base = "ResNest-Base-RCNN-FPN.yaml" if resnest else "Base-RCNN-FPN.yaml"
    inner = folder / "COCO"
    inner.mkdir(exist_ok=True)
    parent = f"../{base}"
    if "panoptic" in name:
        parent = "Base-Panoptic-FPN.yaml" if fork else "ResNeSt-Base-Panoptic-FPN.yaml"
        (inner / parent).write_text(yaml.safe_dump({"_BASE_": f"../{base}", **PANOPTIC_BASE}))
    path = inner / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"_BASE_": parent, **FILES[name]}))
    return path
