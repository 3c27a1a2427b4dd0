"""Every field of an architecture acts on the network as the paper says."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from resnest_dense import Deformable, ResNeSt, ResNeStError, create_backbone, get_architecture

BASE = get_architecture("resnest14")


def blocks(net):
    return [net.res2[0], net.res3[0], net.res4[0], net.res5[0]]


def test_avd_pools_in_the_first_blocks_of_the_last_three_stages():
    pools = [b.avd_layer for b in blocks(ResNeSt(BASE))]
    assert pools[0] is None and all(isinstance(p, nn.AvgPool2d) and p.kernel_size == 3
                                    and p.count_include_pad for p in pools[1:])
    without = ResNeSt(replace(BASE, avd=False))
    assert [b.avd_layer for b in blocks(without)] == [None] * 4
    assert [b.conv2.conv.stride for b in blocks(without)] == [(1, 1), (2, 2), (2, 2), (2, 2)]


def test_avg_down_pools_the_shortcut():
    assert isinstance(blocks(ResNeSt(BASE))[1].shortcut_avgpool, nn.AvgPool2d)
    without = blocks(ResNeSt(replace(BASE, avg_down=False)))[1]
    assert without.shortcut_avgpool is None and without.shortcut.stride == (2, 2)


def test_a_shallow_stem_is_one_7x7():
    stem = ResNeSt(replace(BASE, deep_stem=False)).stem
    assert stem.conv1.kernel_size == (7, 7) and stem.conv1.out_channels == 64
    assert stem(torch.zeros(1, 3, 33, 33)).shape == (1, 64, 9, 9)


@pytest.mark.parametrize("option", [dict(radix=4), dict(cardinality=2), dict(bottleneck_width=40),
                                    dict(stem_width=64), dict(blocks=(1, 1, 2, 1))], ids=str)
def test_widths_and_counts_change_the_parameters(option):
    shapes = [p.shape for p in ResNeSt(replace(BASE, **option)).parameters()]
    assert shapes != [p.shape for p in ResNeSt(BASE).parameters()]


def test_avd_first_pools_before_the_3x3():
    order = []
    net = ResNeSt(replace(BASE, avd_first=True))
    net.res3[0].avd_layer.register_forward_hook(lambda *_: order.append("pool"))
    net.res3[0].conv2.register_forward_hook(lambda *_: order.append("conv2"))
    net.eval()(torch.zeros(1, 3, 32, 32))
    assert order == ["pool", "conv2"]


@pytest.mark.parametrize("modulated,channels", [(True, 54), (False, 36)])
def test_deformable_stages_start_as_a_fixed_grid_and_learn_offsets(modulated, channels):
    net = create_backbone("resnest14", deform=Deformable(("res4",), modulated=modulated, groups=2))
    assert net.res4[0].conv2_offset.out_channels == channels
    assert not hasattr(net.res3[0], "conv2_offset")
    net(torch.randn(2, 3, 64, 64))["res5"].square().mean().backward()
    assert net.res4[0].conv2_offset.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("make,words", [
    (lambda: Deformable(("res6",)), "res5"),
    (lambda: Deformable(groups=0), "at least 1"),
    (lambda: create_backbone("resnest14", deform=Deformable(groups=7)), "does not divide"),
    (lambda: Deformable(modulated="no"), "Deformable.modulated='no': use True or False"),
    (lambda: create_backbone("resnest14", deform=("res4",)), "Deformable()"),
    (lambda: ResNeSt("resnest14"), "create_backbone"),
    (lambda: ResNeSt(replace(BASE, radix=3)), "64 channels of split attention do not divide by 3"),
    (lambda: ResNeSt(replace(BASE, cardinality=3, bottleneck_width=8)), "32 channels .* by 3"),
    (lambda: replace(BASE, blocks=3), "blocks=3 .* 4 stages"),
    (lambda: replace(BASE, blocks=(1, 2.5, 1, 1)), r"blocks\[1\]=2.5: use a whole number"),
    (lambda: replace(BASE, avd="False"), "avd='False': use True or False"),
    (lambda: create_backbone("resnest14", compile="no"), "compile='no': use True or False"),
    (lambda: create_backbone("resnest14", in_channels="3"), "in_channels='3': use a whole"),
    (lambda: create_backbone("resnest14", freeze_at=True), "freeze_at=True"),
    (lambda: create_backbone("resnest14", out_features="res5"), "give a list of names"),
    (lambda: create_backbone("resnest14", out_features=["res5", "res5"]), "each once"),
    (lambda: create_backbone("resnest14", dilated_form=["official"]), "Unknown dilated_form"),
    (lambda: create_backbone("resnest14", norm=["BN"]), "Unknown norm"),
])
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(ResNeStError, match=words):
        make()
