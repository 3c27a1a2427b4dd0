"""Classifiers: the official one's logits, other numbers of classes, and torch.hub."""

import pytest
import torch
from peers import official_network
from torch import nn

from resnest_dense import ResNeStError, create_backbone, create_classifier

X = torch.randn(2, 3, 64, 96)


@pytest.mark.parametrize("name", ["resnest26", "resnest50_fast_4s2x40d"])
def test_logits_are_the_official_ones_bit_for_bit(name, tmp_path):
    official = official_network(name).eval()
    torch.save(official.state_dict(), tmp_path / "official.pth")
    ours = create_classifier(name, weights=tmp_path / "official.pth").eval()
    with torch.no_grad():
        assert torch.equal(ours(X), official(X))
        torch.testing.assert_close(ours.fused()(X), official(X), rtol=1e-3, atol=1e-4)


def test_other_classes_leave_the_last_layer_as_it_is(caplog):
    weights = create_classifier("resnest14", 1000).state_dict()
    with caplog.at_level("INFO"):
        net = create_classifier("resnest14", 7, weights=weights)
    assert "linear stays as it is: the file has 1000 classes, the model 7" in caplog.text
    assert net.eval()(X).shape == (2, 7)
    assert torch.equal(net.state_dict()["res5.0.conv3.weight"], weights["res5.0.conv3.weight"])


@pytest.mark.parametrize("classes,weights,said", [
    (1000, "backbone", "The file has no classifier, the model has one"),
    (0, None, "num_classes=0: use a whole number of at least 1"),
])
def test_what_cannot_classify_is_refused(classes, weights, said):
    state = weights and create_backbone("resnest14").state_dict()
    with pytest.raises(ResNeStError, match=said):
        create_classifier("resnest14", classes, weights=state)


def test_hub_gives_the_classifier_whose_last_layer_can_be_replaced():
    net = torch.hub.load(".", "resnest14", source="local", num_classes=10)
    assert net.fc.out_features == 10 and net(X).shape == (2, 10)
    net.fc = nn.Linear(2048, 3)
    assert net.eval()(X).shape == (2, 3) and net.fc is net.linear
    assert [name for name, _ in net.named_parameters()][-2:] == ["linear.weight", "linear.bias"]


def test_dropout_is_for_training_alone():
    net = create_classifier("resnest14", 5, dropout=0.5)
    lost = []
    net.dropout.register_forward_hook(lambda _, inputs, out: lost.append(
        float((out == 0)[inputs[0] != 0].float().mean())))
    net(X)
    net.eval()(X)
    assert 0.4 < lost[0] < 0.6 and lost[1] == 0
