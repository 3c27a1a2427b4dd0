"""The backbone in torchvision's detectors."""

import pytest
import torch
from torchvision.models.detection import FasterRCNN, MaskRCNN, RetinaNet
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from resnest_dense import ResNeStError, create_backbone
from resnest_dense.integrations.torchvision import fpn_backbone

SIZES = dict(min_size=64, max_size=96)



@pytest.mark.parametrize("detector,options", [
    (FasterRCNN, {}), (MaskRCNN, {}),
    (RetinaNet, dict(returned_layers=(2, 3, 4), extra_blocks=LastLevelP6P7(256, 256)))])
def test_a_detector_learns_and_predicts(detector, options):
    backbone = fpn_backbone("resnest14", freeze_at=1, **options)
    net = detector(backbone, 4, **SIZES)
    target = dict(boxes=torch.tensor([[2.0, 4.0, 40.0, 44.0]]), labels=torch.tensor([1]),
                  masks=torch.ones(1, 64, 80, dtype=torch.uint8))
    losses = net([torch.rand(3, 64, 80)] * 2, [target] * 2)
    sum(losses.values()).backward()
    trained = [p for p in backbone.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained)
    assert not any(p.requires_grad for p in backbone.body.stem.parameters())
    [found, _] = net.eval()([torch.rand(3, 64, 80), torch.rand(3, 96, 64)])
    assert found["boxes"].shape[1:] == (4,) and len(found["boxes"]) == len(found["scores"])


def test_the_pyramid_is_made_of_the_stages(tmp_path):
    net = create_backbone("resnest14", norm="FrozenBN")
    torch.save(net.state_dict(), tmp_path / "net.pth")
    backbone = fpn_backbone("resnest14", norm="FrozenBN", weights=tmp_path / "net.pth",
                            out_channels=64).eval()
    x = torch.randn(1, 3, 64, 96)
    levels = backbone(x)
    assert {name: level.shape[1:] for name, level in levels.items()} == {
        "0": (64, 16, 24), "1": (64, 8, 12), "2": (64, 4, 6), "3": (64, 2, 3), "pool": (64, 1, 2)}
    expected = backbone.fpn({str(i): f for i, f in enumerate(net.eval()(x).values())})
    for name, level in levels.items():
        assert torch.equal(level, expected[name])


def test_an_unknown_name_is_named():
    with pytest.raises(ResNeStError, match="resnest50"):
        fpn_backbone("resnest51")
