"""Each experiment trains for a step and predicts, from its shipped config at a small size."""

import math

import pytest
import torch
from d2_batches import SIZE, batch, shrink
from d2_recipes import PUBLISHED
from detectron2.modeling import build_model
from detectron2.solver import build_lr_scheduler, build_optimizer
from detectron2.utils.events import EventStorage
from torch.nn.modules.batchnorm import _BatchNorm

from resnest_dense.configs import find_config
from resnest_dense.d2 import get_cfg

# Their names and shapes are compared with the official wrapper's in test_official_files.py.
LARGEST = {"resnest200_cascade_mask_rcnn_tricks_3x", "resnest200_dcn_cascade_mask_rcnn_tricks_3x"}
# The published ones, and what no published experiment has: another head, norm or meta-architecture.
OTHERS = {
    "resnest14_retinanet": 14,
    "resnest50_keypoint_rcnn_3x": 14,
    "resnest50_mask_rcnn_frozenbn_1gpu": 14,
    "resnest50_mask_rcnn_gn_1gpu": 14,
}


def train_and_predict(name, depth=None):
    cfg = get_cfg()
    cfg.merge_from_file(str(find_config(name, "detectron2")))
    cfg.MODEL.RESNETS.DEPTH = depth or cfg.MODEL.RESNETS.DEPTH
    model = build_model(shrink(cfg))
    optimizer = build_optimizer(cfg, model)
    build_lr_scheduler(cfg, optimizer)  # The first step of a warm-up.
    images = batch()
    with EventStorage():
        losses = model.train()(images)
    sum(losses.values()).backward()
    before = model.backbone.fpn_output3.weight.detach().clone()
    optimizer.step()
    assert not torch.equal(model.backbone.fpn_output3.weight, before)
    model.eval()
    for module in model.modules():
        # The statistics of one step would blow up the features of 200 layers.
        module.training = isinstance(module, _BatchNorm)
    with torch.no_grad():
        predictions = model(images)[0]
    return cfg, {name: float(loss.detach()) for name, loss in losses.items()}, predictions


def expected_losses(cfg):
    if cfg.MODEL.META_ARCHITECTURE == "RetinaNet":
        return {"loss_cls", "loss_box_reg"}
    cascade = cfg.MODEL.ROI_HEADS.NAME == "CascadeROIHeads"
    stages = ["_stage0", "_stage1", "_stage2"] if cascade else [""]
    return {
        "loss_rpn_cls", "loss_rpn_loc",
        *(f"loss_{kind}{stage}" for kind in ("cls", "box_reg") for stage in stages),
        *(["loss_mask"] if cfg.MODEL.MASK_ON else []),
        *(["loss_keypoint"] if cfg.MODEL.KEYPOINT_ON else []),
        *(["loss_sem_seg"] if cfg.MODEL.META_ARCHITECTURE == "PanopticFPN" else []),
    }


@pytest.mark.parametrize("name,depth", [*((n, None) for n in PUBLISHED if n not in LARGEST),
                                        *OTHERS.items()])
def test_an_experiment_trains_and_predicts(name, depth):
    cfg, losses, predictions = train_and_predict(name, depth)
    assert {k.replace("(", "").replace(")", "") for k in losses} == expected_losses(cfg)
    assert all(math.isfinite(loss) for loss in losses.values())
    found = predictions["instances"]
    assert len(found) > 0 and found.pred_boxes.tensor.isfinite().all()
    assert found.has("pred_masks") == cfg.MODEL.MASK_ON
    assert found.has("pred_keypoints") == cfg.MODEL.KEYPOINT_ON
    if cfg.MODEL.META_ARCHITECTURE == "PanopticFPN":
        assert predictions["panoptic_seg"][0].shape == SIZE
        assert predictions["sem_seg"].shape == (54, *SIZE)
