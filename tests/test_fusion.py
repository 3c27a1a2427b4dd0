"""Fused copies put out what the network and the whole model put out."""

import pytest
import torch
from torch import nn

from resnest_dense import Deformable, create_backbone, fuse
from resnest_dense.inference.folded import FoldedConv2d
from resnest_dense.nn.norm import FrozenBatchNorm2d


def randomised(net):
    """Norms that do something, as after training."""
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
    return net.eval()


def assert_same(ours, expected, tolerance=1e-5):
    scale = float(expected.abs().max())
    torch.testing.assert_close(ours, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("name,options", [
    ("resnest26", dict(norm="BN", output_stride=8)), ("resnest14", dict(norm="SyncBN")),
    ("resnest14", dict(norm="FrozenBN")), ("resnest14", dict(norm="GN")),
    ("resnest14", dict(norm="")), ("resnest14", dict(deform=Deformable())),
    ("resnest50_fast_1s1x64d", {}), ("resnest50_fast_4s2x40d", dict(freeze_at=2)),
], ids=str)
def test_a_fused_network_puts_out_the_same(name, options):
    net = randomised(create_backbone(name, **options))
    fused = net.fused()
    x = torch.randn(2, 3, 67, 97)
    with torch.no_grad():
        for key, feature in fused(x).items():
            assert_same(feature, net(x)[key])
            assert feature.is_contiguous(memory_format=torch.channels_last)
    kept = [m for m in fused.modules() if isinstance(m, nn.GroupNorm)]
    assert bool(kept) == (options.get("norm") == "GN")
    assert not [m for m in fused.modules() if isinstance(m, (nn.BatchNorm2d, FrozenBatchNorm2d))]


def test_features_that_a_later_block_reads_are_not_overwritten():
    from dataclasses import replace

    from resnest_dense import ResNeSt, get_architecture

    # A stem of 256 channels leaves res2 without a projection.
    architecture = replace(get_architecture("resnest26"), stem_width=128)
    net = randomised(ResNeSt(architecture, out_features=("stem", "res2", "res3")))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for key, feature in net.fused()(x).items():
            assert_same(feature, net(x)[key])


def test_a_fused_network_moves_changes_type_and_gives_gradients_by_its_input():
    net = randomised(create_backbone("resnest14"))
    fused, x = net.fused(), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        fused(x)
        assert_same(fused.double()(x.double())["res5"], net.double()(x.double())["res5"], 1e-6)
        half = fused.bfloat16()(x.bfloat16())["res5"]
        assert half.dtype == torch.bfloat16
        assert_same(half.double(), net(x.double())["res5"], 5e-2)
    x = x.double().requires_grad_()
    assert_same(*(torch.autograd.grad(n(x)["res5"].sum(), x)[0] for n in (net.fused(), net)), 1e-6)


def test_a_fused_network_takes_no_image_and_autocast():
    fused = create_backbone("resnest14").fused()
    with torch.no_grad():
        assert fused(torch.zeros(0, 3, 64, 64))["res5"].shape == (0, 2048, 2, 2)
        with torch.autocast("cpu", torch.bfloat16):
            assert fused(torch.zeros(1, 3, 64, 64))["res5"].dtype == torch.bfloat16


def test_neighbours_in_a_sequence_are_folded():
    model = randomised(nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1)))
    x = torch.randn(2, 3, 9, 9)
    fused = fuse(model)
    assert isinstance(fused[0], FoldedConv2d) and isinstance(model[1], nn.BatchNorm2d)
    with torch.no_grad():
        assert_same(fused(x), model(x))


def test_a_fused_segmentor_predicts_the_same():
    pytest.importorskip("mmseg")
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    import resnest_dense.mmseg  # noqa: F401
    from resnest_dense.configs import find_config

    init_default_scope("mmseg")
    config = Config.fromfile(find_config("resnest50_deeplabv3_ade20k", "mmseg"))
    config.model.backbone.update(architecture="resnest14", norm_cfg=dict(type="BN"), init_cfg=None)
    for head in (config.model.decode_head, config.model.auxiliary_head):
        head.update(channels=16, norm_cfg=dict(type="BN"))
    model = randomised(MODELS.build(config.model))
    fused = fuse(model)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert_same(fused.encode_decode(x, [{"img_shape": (64, 64)}]),
                    model.encode_decode(x, [{"img_shape": (64, 64)}]))
    assert not [m for m in fused.modules() if isinstance(m, nn.BatchNorm2d)]


def test_a_fused_detector_finds_the_same():
    pytest.importorskip("detectron2")
    from detectron2.modeling import build_model

    from resnest_dense.configs import find_config
    from resnest_dense.d2 import get_cfg

    cfg = get_cfg()
    cfg.merge_from_file(str(find_config("resnest50_faster_rcnn.yaml", "detectron2")))
    cfg.merge_from_list(["MODEL.RESNETS.DEPTH", 14, "MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "",
                         "MODEL.ROI_BOX_HEAD.FC_DIM", 32, "MODEL.ROI_BOX_HEAD.CONV_DIM", 16,
                         "MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0,
                         "MODEL.RPN.POST_NMS_TOPK_TEST", 20])
    model = randomised(build_model(cfg))
    image = [{"image": torch.randint(0, 255, (3, 96, 128)).float(), "height": 96, "width": 128}]
    fused = fuse(model)
    for convs in (fused.backbone.lateral_convs, fused.backbone.output_convs):
        assert all(type(conv) is FoldedConv2d for conv in convs)
    with torch.no_grad():
        expected, found = (m(image)[0]["instances"] for m in (model, fused))
    assert len(expected) > 5
    torch.testing.assert_close(found.pred_boxes.tensor, expected.pred_boxes.tensor,
                               rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-4, atol=1e-5)
    assert found.pred_classes.equal(expected.pred_classes)
