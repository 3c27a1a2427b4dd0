"""Small models of every family, with weights that find something, and the files they are kept in.
"""

import json
from pathlib import Path

import torch

from resnest_dense.configs import find_config

CLASSES = {"categories": [{"id": i, "name": name} for i, name in enumerate("abc", start=3)]}
SMALL = {
    "MODEL.RESNETS.DEPTH": 14, "MODEL.RESNETS.BOTTLENECK_WIDTH": 16, "MODEL.RESNETS.STEM_WIDTH": 8,
    "MODEL.FPN.OUT_CHANNELS": 32, "MODEL.ROI_BOX_HEAD.CONV_DIM": 32,
    "MODEL.ROI_BOX_HEAD.FC_DIM": 64,
    "MODEL.ROI_BOX_HEAD.NUM_CONV": 1, "MODEL.ROI_MASK_HEAD.NUM_CONV": 1,
    "MODEL.ROI_MASK_HEAD.CONV_DIM": 32, "MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS": [32],
    "MODEL.ROI_HEADS.NUM_CLASSES": 3, "MODEL.RETINANET.NUM_CLASSES": 3,
    "MODEL.RETINANET.NUM_CONVS": 1, "MODEL.SEM_SEG_HEAD.CONVS_DIM": 32,
    "MODEL.SEM_SEG_HEAD.NUM_CLASSES": 4, "MODEL.RPN.POST_NMS_TOPK_TEST": 40,
    "INPUT.MIN_SIZE_TEST": 96, "INPUT.MAX_SIZE_TEST": 160, "MODEL.WEIGHTS": "",
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": 0.3, "MODEL.RETINANET.SCORE_THRESH_TEST": 0.4,
    "TEST.DETECTIONS_PER_IMAGE": 20, "DATASETS.TRAIN": ("tiny_train",),
    "DATASETS.TEST": ("tiny_val",)}
# Shipped config of each family.
DETECTORS = {
    "faster_rcnn": "resnest50_faster_rcnn", "mask_rcnn": "resnest50_mask_rcnn",
    "cascade_rcnn": "resnest50_cascade_rcnn", "cascade_mask_rcnn": "resnest50_cascade_mask_rcnn",
    "keypoint_rcnn": "resnest50_keypoint_rcnn_3x", "retinanet": "resnest50_retinanet",
    "panoptic_fpn": "resnest200_panoptic_fpn_tricks_3x", "deformable": "resnest50_dcn_faster_rcnn"}


def write_detector(folder: Path, family: str, **keys) -> tuple[str, str]:
    """A config and a checkpoint of random weights, spread so that classes and boxes differ; the
    names of its classes beside them."""
    from detectron2.modeling import build_model

    from resnest_dense.d2 import get_cfg

    cfg = get_cfg()
    cfg.merge_from_file(str(find_config(DETECTORS[family], "detectron2")))
    names = ["a"] if family == "keypoint_rcnn" else ["a", "b", "c"]
    small = {**SMALL, "MODEL.ROI_HEADS.NUM_CLASSES": len(names), **keys}
    cfg.merge_from_list([word for pair in small.items() for word in pair])
    cfg.MODEL.DEVICE = "cpu"
    model = build_model(cfg)
    with torch.no_grad():
        for name, value in model.named_parameters():
            spread = {"cls_score.weight": 3.0, "bbox_pred.weight": 0.05, "objectness": 0.3,
                      "anchor_deltas.weight": 0.05, "predictor.weight": 0.5, "score_lowres": 0.5,
                      "offset.weight": 0.05, "sem_seg_head.predictor.weight": 1.0}
            for part, deviation in spread.items():
                if part in name:
                    value.normal_(0, deviation)
            if "head.cls_score.bias" in name:
                value.zero_()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(cfg.dump())
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    stuff = dict(stuff_ids=[0, 7, 8, 9], stuff_names=["things", "x", "y", "z"])
    (folder / "classes.json").write_text(json.dumps(dict(
        ids=[3, 4, 5][:len(names)], names=names, **(stuff if family == "panoptic_fpn" else {}))))
    return str(folder / "config.yaml"), str(folder / "model.pth")


SEGMENTOR = '''
_base_ = ["BASE"]
model = dict(data_preprocessor=dict(size=(64, 64)),
             backbone=dict(init_cfg=None, architecture="resnest14"),
             decode_head=dict(channels=16, num_classes=3),
             auxiliary_head=dict(channels=16, num_classes=3))
test_pipeline = [dict(type="LoadImageFromFile"),
                 dict(type="Resize", scale=(160, 96), keep_ratio=True),
                 dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
test_dataloader = dict(dataset=dict(_delete_=True, type="resnest_dense.FolderDataset",
    images="images", labels="labels", classes=("dark", "middle", "light"), pipeline=test_pipeline))
val_dataloader = test_dataloader
'''
SEGMENTORS = {name: f"resnest50_{name}_ade20k" for name in (
    "deeplabv3", "deeplabv3plus", "fcn", "pspnet", "upernet")}


def write_segmentor(folder: Path, family: str) -> tuple[str, str]:
    """A config and a checkpoint of random weights."""
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    import resnest_dense.mmseg  # noqa: F401

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.py"
    path.write_text(SEGMENTOR.replace("BASE", str(find_config(SEGMENTORS[family], "mmseg"))))
    cfg = Config.fromfile(path)
    init_default_scope("mmseg")
    model = MODELS.build(cfg.model)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, 0, 1.0)
    torch.save({"state_dict": model.state_dict()}, folder / "model.pth")
    return str(path), str(folder / "model.pth")
