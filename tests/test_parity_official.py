"""Our network against the official torch network: same weights in, same numbers out."""

import pytest
import torch
from peers import official_features, official_network, official_state_dict, ours_from_official

from resnest_dense import create_backbone, list_architectures

LARGE = ("resnest152", "resnest200", "resnest269")
SMALL = [name for name in list_architectures()
         if name.startswith("resnest") and name not in LARGE]
FAST = [name for name in SMALL if "_fast_" in name]
DILATED = ("resnest14", "resnest50", "resnest50_fast_2s2x40d")
ODD = (2, 3, 67, 97)


def pair(name, output_stride):
    official = official_network(name, output_stride)
    ours = create_backbone(name, output_stride=output_stride)
    ours.load_state_dict(official_state_dict(official))
    return ours, official


def relative_difference(ours, theirs):
    return float((ours - theirs).abs().max() / theirs.abs().max())


def assert_same_features(ours, theirs, tolerance):
    for name, feature in ours.items():
        assert feature.shape == theirs[name].shape
        assert relative_difference(feature, theirs[name]) < tolerance, name


@pytest.mark.parametrize("name,output_stride", [
    *((name, 32) for name in SMALL), *((name, stride) for name in DILATED for stride in (16, 8))])
def test_features_in_eval(name, output_stride):
    ours, official = (net.eval() for net in pair(name, output_stride))
    x = torch.randn(ODD)
    with torch.no_grad():
        assert_same_features(ours(x), official_features(official, x), 1e-5)
        ours, official, x = ours.double(), official.double(), x.double()
        assert_same_features(ours(x), official_features(official, x), 1e-10)


@pytest.mark.parametrize("name,output_stride", [*((name, 32) for name in SMALL),
                                                ("resnest26", 16), ("resnest26", 8)])
def test_features_statistics_and_gradients_in_training(name, output_stride):
    ours, official = (net.double() for net in pair(name, output_stride))
    x = torch.randn(2, 3, 33, 47).double()
    inputs = x.clone().requires_grad_(), x.clone().requires_grad_()
    features = ours(inputs[0]), official_features(official, inputs[1])
    with torch.no_grad():
        assert_same_features(*features, 1e-10)
    for maps in features:
        sum(f.square().mean() for f in maps.values()).backward()
    assert relative_difference(inputs[0].grad, inputs[1].grad) < 1e-10
    statistics = official_state_dict(official)
    for key, value in ours.state_dict().items():
        torch.testing.assert_close(value, statistics[key], rtol=1e-9, atol=1e-9, msg=key)
    gradients = {ours_from_official(k): p.grad for k, p in official.named_parameters()}
    for key, parameter in ours.named_parameters():
        theirs = gradients[key]
        scale = max(float(theirs.abs().max()), 1e-8)  # fc1.bias before a batch norm has none.
        assert float((parameter.grad - theirs).abs().max()) < 1e-9 * scale + 1e-14, key


@pytest.mark.parametrize("name", LARGE)
def test_large_networks_by_names_shapes_and_counts(name):
    with torch.device("meta"):
        ours = create_backbone(name)
        official = official_network(name)
    shapes, expected = ({key: value.shape for key, value in state.items()}
                        for state in (ours.state_dict(), official_state_dict(official)))
    assert shapes == expected
    fc = sum(p.numel() for p in official.fc.parameters())
    count = sum(p.numel() for p in official.parameters()) - fc
    assert sum(p.numel() for p in ours.parameters()) == count
