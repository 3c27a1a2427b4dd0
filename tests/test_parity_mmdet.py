"""A detector of MMDetection, where it is installed: its weights in one with our backbone."""

import pytest
import torch
from peers import randomise_statistics

import resnest_dense.mmseg  # noqa: F401  makes mmdet.models importable without compiled operators
from resnest_dense import create_backbone, weights

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
