"""Compiled networks: one graph a part, any image size, the same numbers in training and
inference."""

import shutil

import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor import config as inductor_config

from resnest_dense import create_backbone
from resnest_dense.inference.compile import compile_part
from resnest_dense.nn.pooling import AvgPool2d, max_pool

SIZES = ((64, 96), (97, 131), (64, 64), (80, 61), (65, 77))


@pytest.fixture(autouse=True)
def _forget():
    torch._dynamo.reset()
    counters.clear()


def twins(**options):
    """A network and a copy with the same weights; both end at res3."""
    first, second = (create_backbone("resnest14", out_features=["res3"], **options)
                     for _ in range(2))
    second.load_state_dict(first.state_dict())
    return first, second


@pytest.mark.parametrize("trains", [False, True])
def test_one_graph_of_each_part_serves_all_sizes(trains):
    plain, compiled = (net.train(trains) for net in twins())
    for name, part in compiled.named_children():
        compile_part(part, name, backend="eager")
    for size in SIZES:
        x = torch.randn(2, 3, *size)
        with torch.set_grad_enabled(trains):
            torch.testing.assert_close(compiled(x)["res3"], plain(x)["res3"], rtol=1e-4, atol=1e-4)
    assert counters["stats"]["unique_graphs"] == 3
    assert not counters["graph_break"]


def test_the_argument_compiles_every_part_and_keeps_the_names(monkeypatch):
    constant, options = [], []
    torch_compile = torch.compile

    def without_machine_code(graph, inputs):
        constant.append(inductor_config.freezing)
        return graph

    def compile_without_it(function, **given):
        options.append(given)
        return torch_compile(function, **given, backend=without_machine_code)

    monkeypatch.setattr(torch, "compile", compile_without_it)
    plain, compiled = (create_backbone("resnest14", out_features=["res2"], compile=c).eval()
                       for c in (False, True))
    compiled.load_state_dict(plain.state_dict())
    assert list(compiled.state_dict()) == list(plain.state_dict())
    fused = compiled.fused()
    assert options == 4 * [dict(fullgraph=True, dynamic=True)]
    x = torch.randn(1, 3, 32, 48)
    with torch.no_grad():
        for net in (compiled, fused):
            torch.testing.assert_close(net(x), plain(x), rtol=1e-4, atol=1e-5)
    # Weights are constants to the compiler in the copy for inference alone.
    assert constant == [False, False, True, True]
    assert not inductor_config.freezing


def test_a_compiled_fused_network_keeps_its_wide_convolutions_whole():
    fused = create_backbone("resnest14").fused()
    graphs = []
    compiled = torch.compile(fused, fullgraph=True, dynamic=True,
                             backend=lambda graph, inputs: graphs.append(graph) or graph)
    x = torch.randn(1, 3, 256, 320)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), fused(x), rtol=1e-4, atol=1e-5)
    called = [node.target for node in graphs[0].graph.nodes]
    assert called.count(torch.ops.resnest_dense.conv3x3.default) == 3
    exported = torch.export.export(fused, (x,))
    assert not [node for node in exported.graph.nodes if "resnest_dense" in str(node.target)]


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_machine_code_has_constant_weights_packed():
    plain = create_backbone("resnest14", out_features=["stem"]).eval()
    fused = create_backbone("resnest14", out_features=["stem"], compile=True)
    fused.load_state_dict(plain.state_dict())
    fused = fused.fused()
    x = torch.randn(1, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), plain(x), rtol=1e-4, atol=1e-5)
    assert counters["inductor"]["mkldnn_conv_weight_pack_matcher_count"] == 3


@pytest.mark.parametrize("pool", [max_pool, AvgPool2d(3, 2, padding=1), AvgPool2d(3, 1, padding=1),
                                  AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)])
@pytest.mark.parametrize("size", [(6, 7), (7, 6), (1, 1)], ids=str)
def test_pools_under_a_compiler_are_torchs(pool, size, monkeypatch):
    x = torch.rand(2, 3, *size)
    expected = pool(x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(pool(x), expected)
