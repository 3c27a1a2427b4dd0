"""The networks in timm's registry, by timm's own functions and segmentation_models_pytorch's."""

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from peers import randomise_statistics
from timm.data import resolve_data_config

import resnest_dense.integrations.timm  # noqa: F401  registers them
from resnest_dense import ResNeStError, create_backbone, list_architectures


def create(name, **options):
    return timm.create_model(f"resnest_dense_{name}", **options)


def test_every_network_is_registered():
    assert set(timm.list_models("resnest_dense_*")) == {
        f"resnest_dense_{name}" for name in list_architectures()}


@pytest.mark.parametrize("name", ["resnest14", "resnet50"])
@pytest.mark.parametrize("stride,reductions", [(32, [2, 4, 8, 16, 32]), (8, [2, 4, 8, 8, 8])])
def test_features_are_the_backbone_s(name, stride, reductions):
    theirs = create(name, features_only=True, output_stride=stride, in_chans=4)
    ours = create_backbone(name, output_stride=stride, in_channels=4)
    for net in (theirs, ours):
        randomise_statistics(net.eval())
    ours.load_state_dict({key.removeprefix("body."): tensor
                          for key, tensor in theirs.state_dict().items()
                          if not key.startswith("body.linear")})
    x = torch.randn(2, 4, 65, 96)
    half, *features = theirs(x)
    assert theirs.feature_info.reduction() == reductions
    assert [f.shape[1] for f in (half, *features)] == theirs.feature_info.channels()
    assert half.shape[-2:] == (33, 48)
    for mine, other in zip(features, ours(x).values(), strict=True):
        assert torch.equal(mine, other)


def test_levels_of_one_s_own_choice():
    net = create("resnest14", features_only=True, out_indices=(2, 4))
    assert [f.shape[1] for f in net(torch.randn(2, 3, 64, 64))] == [512, 2048]


def test_a_classifier_and_its_input():
    net = create("resnest50", num_classes=7, drop_rate=0.2)
    config = resolve_data_config({}, model=net)
    assert (config["input_size"], config["interpolation"], config["crop_pct"]) == (
        (3, 224, 224), "bicubic", 224 / 256)
    assert create("resnest269", num_classes=0).default_cfg["input_size"] == (3, 416, 416)
    x = torch.randn(2, 3, 64, 64)
    assert net(x).shape == (2, 7) and net.dropout.p == 0.2
    assert net.forward_features(x).shape == (2, 2048, 2, 2)
    net.reset_classifier(0)
    assert net(x).shape == (2, 2048) and net.num_classes == 0
    net.reset_classifier(3)
    assert net(x).shape == (2, 3) and net.get_classifier().out_features == 3


def test_weights_that_nobody_has_published():
    with pytest.raises(ResNeStError, match="resnest26d?|resnet14d"):
        create("resnet14d", pretrained=True)


@pytest.mark.parametrize("decoder,options", [
    (smp.Unet, {}), (smp.DeepLabV3Plus, dict(encoder_output_stride=16))])
def test_an_encoder_of_segmentation_models(decoder, options):
    net = decoder("tu-resnest_dense_resnest14", encoder_weights=None, classes=5, **options)
    scores = net(torch.randn(2, 3, 64, 96))
    assert scores.shape == (2, 5, 64, 96)
    scores.square().mean().backward()
    assert all(p.grad is not None for name, p in net.encoder.named_parameters())
