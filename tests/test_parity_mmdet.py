"""A detector of MMDetection, where it is installed: its weights in one with our backbone."""

from pathlib import Path

import pytest
import torch
from peers import randomise_statistics

import resnest_dense.mmseg  # noqa: F401  makes mmdet.models importable without compiled operators
from resnest_dense import create_backbone, weights
from resnest_dense.configs import find_shipped

mmdet = pytest.importorskip("mmdet", reason="needs mmdet: pip install mmdet==3.3.0")

OURS = dict(type="resnest_dense.ResNeSt", architecture="resnest50", frozen_stages=1)


@pytest.fixture(scope="module")
def detectors():
    """Faster R-CNN of MMDetection's released ResNeSt-50, with its backbone and with ours."""
    import mmdet.models  # noqa: F401
    from mmdet.registry import MODELS
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmengine.utils import get_installed_path

    name = "faster-rcnn_s50_fpn_syncbn-backbone+head_ms-range-1x_coco.py"
    cfg = Config.fromfile(f"{get_installed_path('mmdet')}/.mim/configs/resnest/{name}")
    cfg.model.backbone.update(norm_cfg=dict(type="BN"), init_cfg=None)
    with DefaultScope.overwrite_default_scope("mmdet"):
        theirs = MODELS.build(cfg.model)
        cfg.model.backbone = OURS
        ours = MODELS.build(cfg.model)
    randomise_statistics(theirs.backbone)
    return theirs.eval(), ours.eval()


@torch.no_grad()
def test_a_released_detector_through_mmengine(detectors, tmp_path):
    from mmengine.runner import load_checkpoint

    theirs, ours = detectors
    torch.save({"state_dict": theirs.state_dict(), "meta": {}}, tmp_path / "detector.pth")
    load_checkpoint(ours, str(tmp_path / "detector.pth"), strict=True)
    x = torch.randn(1, 3, 64, 96)
    for mine, other in zip(ours.extract_feat(x), theirs.extract_feat(x), strict=True):
        assert float((mine - other).abs().max() / other.abs().max()) < 1e-5
    for name, tensor in theirs.roi_head.state_dict().items():
        assert torch.equal(ours.roi_head.state_dict()[name], tensor)


@torch.no_grad()
def test_its_backbone_alone_and_back(detectors, tmp_path):
    theirs, _ = detectors
    net = create_backbone("resnest50").eval()
    assert weights.load(net, theirs.state_dict()).layout == "mm"
    out = weights.convert(net.state_dict(), "mm", tmp_path / "back.pth")
    theirs.backbone.load_state_dict(torch.load(out), strict=True)
    x = torch.randn(1, 3, 64, 96)
    for mine, other in zip(net(x).values(), theirs.backbone(x), strict=True):
        assert float((mine - other).abs().max() / other.abs().max()) < 1e-5


def test_the_shipped_config_learns_and_predicts_without_compiled_operators():
    import mmdet.models  # noqa: F401
    from mmdet.registry import MODELS
    from mmdet.structures import DetDataSample
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmengine.structures import InstanceData

    cfg = Config.fromfile(find_shipped(Path("mmdet/resnest50_faster_rcnn_coco.py")))
    cfg.model.backbone.update(architecture="resnest14", norm_cfg=dict(type="BN"), init_cfg=None)
    cfg.model.roi_head.bbox_head.norm_cfg = dict(type="BN")
    with DefaultScope.overwrite_default_scope("mmdet"):
        model = MODELS.build(cfg.model)
    target = InstanceData(bboxes=torch.tensor([[2.0, 3, 40, 50]]), labels=torch.tensor([1]))
    info = dict(img_shape=(64, 96), pad_shape=(64, 96), ori_shape=(64, 96), scale_factor=(1, 1))
    sample = DetDataSample(metainfo=info, gt_instances=target)
    losses = model.loss(torch.randn(2, 3, 64, 96), [sample, sample])
    sum(value for parts in losses.values() for value in (
        parts if isinstance(parts, list) else [parts])).backward()
    assert all(p.grad is not None for p in model.backbone.parameters() if p.requires_grad)
    [found] = model.eval().predict(torch.randn(1, 3, 64, 96), [sample])
    assert found.pred_instances.bboxes.shape[1] == 4


@pytest.mark.parametrize("offset", [0, 1])
def test_torchvision_suppresses_as_mmcv_would(offset):
    from mmcv.ops import nms

    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 8], [20, 20, 29, 29]])
    # By the definition: 10 x 9 of 10 x 10 pixels where a box ends behind its last one.
    overlap = (9 * 8 / 81, 90 / 100)[offset]
    for threshold, kept in ((overlap - 0.01, [2, 0]), (overlap + 0.01, [2, 0, 1])):
        _, indices = nms(boxes, torch.tensor([0.8, 0.7, 0.9]), threshold, offset=offset)
        assert indices.tolist() == kept
