"""Our network against timm's, at output stride 32 (its dilated form is another network)."""

import pytest
import timm
import torch
from peers import ours_from_official, randomise_statistics

from resnest_dense import create_backbone

MODELS = {"resnest14d": "resnest14", "resnest26d": "resnest26", "resnest50d": "resnest50",
          "resnest101e": "resnest101", "resnest50d_4s2x40d": "resnest50_fast_4s2x40d",
          "resnest50d_1s4x24d": "resnest50_fast_1s4x24d"}


@pytest.mark.parametrize("theirs,name", MODELS.items())
def test_same_features(theirs, name):
    peer = timm.create_model(theirs, features_only=False, pretrained=False)
    randomise_statistics(peer)
    renamed = {ours_from_official(k): v for k, v in peer.state_dict().items()}
    renamed.pop(None)
    ours = create_backbone(name)
    ours.load_state_dict(renamed)
    ours, peer = ours.double().eval(), peer.double().eval()
    x = torch.randn(1, 3, 67, 97).double()
    with torch.no_grad():
        expected = peer.forward_features(x)
        feature = ours(x)["res5"]
    assert float((feature - expected).abs().max() / expected.abs().max()) < 1e-10
