"""Backbones as graphs that others run: TorchScript and torch.export, of any batch and size."""

import io
import warnings

import pytest
import torch
from torch import nn

from resnest_dense import ResNeStError, create_backbone, create_classifier

SIZES = ((1, 3, 64, 96), (3, 3, 75, 33), (2, 3, 97, 130))


def network(form, **options):
    net = create_backbone("resnest14", out_features=("res2", "res4"), **options).eval()
    return net if form == "plain" else net.fused()


def assert_same(graph, net):
    with torch.no_grad():
        for size in SIZES:
            x = torch.randn(size)
            torch.testing.assert_close(graph(x), net(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["plain", "fused"])
def test_a_scripted_backbone_serves_any_batch_and_size(form):
    net, file = network(form), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch.jit.TracerWarning)
        torch.jit.save(torch.jit.script(net), file)
    file.seek(0)
    assert_same(torch.jit.load(file), net)


def test_a_scripted_model_has_its_backbone_by_names():
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network("plain")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x)["res4"].mean((2, 3))

    assert torch.jit.script(Head())(torch.randn(2, 3, 40, 41)).shape == (2, 1024)


@pytest.mark.parametrize("name", ["resnest14", "seresnet14d", "sknet14"])
def test_a_scripted_classifier_serves_any_batch_and_size(name):
    net = create_classifier(name, num_classes=4).eval()
    scripted = torch.jit.script(net)
    assert_same(scripted, net)


def test_a_network_in_training_is_not_scripted():
    with pytest.raises(ResNeStError, match="eval()"):
        torch.jit.script(create_backbone("resnest14", out_features=("stem",)))


@pytest.mark.parametrize("form, options", [
    ("plain", {}), ("fused", {}), ("plain", dict(output_stride=8)), ("fused", dict(norm="GN"))],
    ids=str)
def test_an_exported_backbone_serves_any_batch_and_size_without_slices(form, options):
    net, dynamic = network(form, **options), torch.export.Dim.DYNAMIC
    exported = torch.export.export(net, (torch.randn(2, 3, 65, 97),),
                                   dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic},))
    called = [str(node.target) for node in exported.graph.nodes]
    assert not [name for name in called if "slice" in name or "resnest_dense" in name]
    assert "aten.max_pool2d.default" in called and "aten.avg_pool2d.default" in called
    assert_same(exported.module(), net)
