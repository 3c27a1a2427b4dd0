"""Minimal filtering puts out what the convolution does, for all sizes, batches and groups."""

import copy
import pickle
from math import ceil

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from resnest_dense import create_backbone
from resnest_dense.inference import winograd
from resnest_dense.inference.folded import FoldedConv2d
from resnest_dense.inference.winograd import Winograd, suits_winograd


def conv_of(channels=64, out_channels=96, groups=1, **options):
    conv = nn.Conv2d(channels, out_channels, 3, **{"padding": 1, "groups": groups, **options})
    return conv.requires_grad_(False)


def expected(conv, x, relu):
    bias = None if conv.bias is None else conv.bias.double()
    x = F.conv2d(x.double(), conv.weight.double(), bias,
                 padding=conv.padding, dilation=conv.dilation, groups=conv.groups)
    return x.relu() if relu else x


def assert_close(found, wanted):
    scale = float(wanted.abs().max()) if wanted.numel() else 1
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=3e-6 * scale)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("shape", [
    (1, 32, 48), (1, 30, 49), (2, 33, 31), (70, 4, 4), (3, 1, 200), (5, 14, 14)], ids=str)
def test_values(shape, relu, bias):
    torch.manual_seed(0)
    conv = conv_of(bias=bias)
    x = torch.randn(shape[0], 64, *shape[1:])
    found = Winograd(conv, relu=relu)(x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert_close(found, expected(conv, x, relu))


@pytest.mark.parametrize("groups,out_channels", [(2, 128), (4, 64)])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format], ids=str)
def test_groups_and_layouts(groups, out_channels, memory_format):
    conv = conv_of(128, out_channels, groups)
    x = torch.randn(2, 128, 27, 34).to(memory_format=memory_format)
    assert_close(Winograd(conv, relu=True)(x), expected(conv, x, True))


@pytest.mark.parametrize("dilation", [2, 3, 4])
@pytest.mark.parametrize("size", [(64, 64), (41, 50)], ids=str)
def test_dilation(size, dilation):
    conv = conv_of(dilation=dilation, padding=dilation)
    x = torch.randn(2, 64, *size)
    found = Winograd(conv, relu=True)(x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert_close(found, expected(conv, x, True))


@pytest.mark.parametrize("shape", [(1, 130, 40), (40, 9, 9), (3, 65, 66)], ids=str)
def test_chunks_cover_every_image_and_row(shape, monkeypatch):
    monkeypatch.setattr(winograd, "CHUNK_BYTES", 0)
    served = []
    serve = Winograd._serve
    monkeypatch.setattr(Winograd, "_serve",
                        lambda self, x, out: served.append(out.shape) or serve(self, x, out))
    conv = conv_of()
    x = torch.randn(shape[0], 64, *shape[1:])
    assert_close(Winograd(conv, relu=False)(x), expected(conv, x, False))
    assert len(served) > 1 and len(set(served)) == 1
    images, rows, _, width, *_ = served[0]
    assert images * rows * ceil(width / winograd.TILE) >= winograd.LEAST_TILES


@pytest.mark.parametrize("options,shape,suits", [
    ({}, (1, 32, 32), True), ({}, (1, 28, 32), False), ({}, (64, 4, 4), True),
    ({}, (64, 5, 5), False), ({}, (0, 32, 32), False), ({"stride": 2}, (1, 64, 64), False),
    ({"dilation": 2, "padding": 2}, (1, 64, 64), True),
    ({"dilation": 12, "padding": 12}, (1, 64, 64), False), ({"dilation": 2}, (1, 64, 64), False),
    ({"padding": 0}, (1, 64, 64), False), ({"groups": 2}, (1, 64, 64), False),
], ids=str)
def test_what_it_serves(options, shape, suits):
    x = torch.empty(shape[0], 64, *shape[1:])
    assert suits_winograd(conv_of(**options), x) is suits
    assert not suits_winograd(conv_of(**options), x.double())


def test_a_folded_convolution_follows_its_weights():
    first, second = (FoldedConv2d(conv_of(), relu=True) for _ in range(2))
    x = torch.randn(1, 64, 40, 40)
    assert_close(first(x), expected(first, x, True))
    assert first._packed._winograd is not None
    for copied in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert_close(copied(x), expected(first, x, True))
    first.load_state_dict(second.state_dict())
    assert_close(first(x), expected(second, x, True))
    assert_close(first.double()(x.double()), expected(second, x, True))


def test_a_fused_network_uses_it_and_puts_out_the_same():
    torch.manual_seed(0)
    net = create_backbone("resnest14").eval()
    fused, x = net.fused(), torch.randn(1, 3, 256, 320)
    with torch.no_grad():
        for found, wanted in zip(fused(x).values(), net(x).values(), strict=True):
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))
    packed = [m._packed for m in fused.modules() if isinstance(m, FoldedConv2d)]
    assert sum(p._winograd is not None for p in packed) == 2
