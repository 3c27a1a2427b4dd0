"""Images of background alone are something to train on, whatever the heads' norm."""

import builtins

import pytest
import torch
from detectron2.structures import Boxes, Instances, PolygonMasks
from detectron2.utils.events import EventStorage

from resnest_dense import ResNeStError
from resnest_dense.configs import find_config
from resnest_dense.d2 import get_cfg
from resnest_dense.d2.config import load_lazy_config
from resnest_dense.d2.train.trainer import Trainer


def background(size):
    nothing = Instances(size, gt_boxes=Boxes(torch.zeros(0, 4)),
                        gt_classes=torch.zeros(0, dtype=torch.long), gt_masks=PolygonMasks([]))
    image = torch.randint(256, (3, *size), dtype=torch.uint8)
    return {"image": image, "height": size[0], "width": size[1], "instances": nothing}


@pytest.mark.parametrize("head", ["ROI_MASK_HEAD", "ROI_BOX_HEAD"])
def test_a_batch_without_objects_trains(head):
    cfg = get_cfg()
    cfg.merge_from_file(str(find_config("resnest14_mask_rcnn_mini.yaml", "detectron2")))
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    cfg.MODEL[head].NORM = "SyncBN"
    if head == "ROI_BOX_HEAD":
        cfg.MODEL[head].NUM_CONV, cfg.MODEL[head].CONV_DIM = 1, 32
    model = Trainer.build_model(cfg).train()
    with EventStorage():
        loss = sum(model([background((64, 96)), background((64, 96))]).values())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_config_that_raises_leaves_nothing_behind(tmp_path):
    config = tmp_path / "broken.py"
    config.write_text("raise KeyError('x')\n")
    before = builtins.__import__
    with pytest.raises(ResNeStError, match="broken.py, line 1: KeyError: 'x'"):
        load_lazy_config(config)
    assert builtins.__import__ is before
