"""The deformable convolution against a slow one that gathers each sample, and the official
block."""

import pytest
import torch
from peers import official_wrapper, randomise_statistics
from torch import nn
from torch.nn import functional as F

from resnest_dense import create_backbone
from resnest_dense.nn import Deformable
from resnest_dense.nn.spatial.deform import DeformConv2d, offset_conv

FORMS = [(modulated, groups) for modulated in (False, True) for groups in (1, 2)]
forms = pytest.mark.parametrize("modulated,groups", FORMS)


def sample(x, y, column):
    """Bilinear values of (N, C, H, W) at positions (N, h, w), zero outside the image."""
    height, width = x.shape[2:]
    total = 0.0
    for dy in (0, 1):
        for dx in (0, 1):
            row, col = y.floor() + dy, column.floor() + dx
            weight = (1 - (y - row).abs()) * (1 - (column - col).abs())
            inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
            index = row.clamp(0, height - 1) * width + col.clamp(0, width - 1)
            index = index.long().flatten(1)[:, None].expand(-1, x.shape[1], -1)
            value = x.flatten(2).gather(2, index).unflatten(2, y.shape[1:])
            total = total + value * (weight * inside)[:, None]
    return total


def slow_deformable(x, offset, mask, weight, *, stride, padding, dilation, groups, offset_groups):
    """arXiv 1811.11168, equation 1, tap after tap; offsets are (dy, dx) a tap, group by group."""
    n, channels, height, width = x.shape
    out = [(side + 2 * padding - 2 * dilation - 1) // stride + 1 for side in (height, width)]
    rows, cols = torch.meshgrid(*(torch.arange(side, dtype=x.dtype) * stride - padding
                                  for side in out), indexing="ij")
    part = channels // offset_groups
    columns = x.new_zeros(n, channels, 9, *out)
    for group in range(offset_groups):
        inputs = x[:, group * part:(group + 1) * part]
        for tap in range(9):
            at = 9 * group + tap
            values = sample(inputs, rows + tap // 3 * dilation + offset[:, 2 * at],
                            cols + tap % 3 * dilation + offset[:, 2 * at + 1])
            if mask is not None:
                values = values * mask[:, None, at]
            columns[:, group * part:(group + 1) * part, tap] = values
    columns = columns.unflatten(1, (groups, -1))
    weight = weight.flatten(2).unflatten(0, (groups, -1))
    return torch.einsum("ngcthw,goct->ngohw", columns, weight).flatten(1, 2)


class SlowOfficial(nn.Conv2d):
    """In the place of detectron2's compiled operators inside the official wrapper."""

    def __init__(self, *args, deformable_groups, **kwargs):
        super().__init__(*args, **kwargs)
        self.offset_groups = deformable_groups

    def forward(self, x, offset, mask=None):
        return slow_deformable(x, offset, mask, self.weight, stride=self.stride[0],
                               padding=self.padding[0], dilation=self.dilation[0],
                               groups=self.groups, offset_groups=self.offset_groups)


def make(modulated, groups, *, stride=1, dilation=1):
    """A layer, an image and what its offset convolution may put out, in float64."""
    layer = DeformConv2d(4, 8, 3, stride=stride, padding=dilation, dilation=dilation, groups=2,
                         modulated=modulated).double()
    side = [(s + 2 * dilation - 2 * dilation - 1) // stride + 1 for s in (7, 6)]
    x = torch.randn(2, 4, 7, 6, dtype=torch.float64, requires_grad=True)
    offset = 2 * torch.randn(2, (27 if modulated else 18) * groups, *side, dtype=torch.float64)
    return layer, x, offset.requires_grad_()


@forms
@pytest.mark.parametrize("stride,dilation", [(1, 1), (2, 1), (1, 2)])
def test_values_and_gradients_are_those_of_the_slow_one(modulated, groups, stride, dilation):
    layer, x, offset = make(modulated, groups, stride=stride, dilation=dilation)
    places = offset[:, :18 * groups]
    mask = torch.sigmoid(offset[:, 18 * groups:]) if modulated else None
    expected = slow_deformable(x, places, mask, layer.weight, stride=stride, padding=dilation,
                               dilation=dilation, groups=2, offset_groups=groups)
    inputs, out = (x, offset, layer.weight), layer(x, offset)
    torch.testing.assert_close(out, expected)
    upstream = torch.randn_like(out)
    torch.testing.assert_close(torch.autograd.grad(out, inputs, upstream),
                               torch.autograd.grad(expected, inputs, upstream))


@forms
def test_gradcheck(modulated, groups):
    layer, x, offset = make(modulated, groups)
    # Bilinear sampling has a kink at each whole position.
    offset = (offset.detach() % 0.6 + 0.2 + offset.detach().round()).requires_grad_()
    def run(x, offset, weight):
        return torch.func.functional_call(layer, {"weight": weight}, (x, offset))

    assert torch.autograd.gradcheck(run, (x, offset, layer.weight), fast_mode=True)


@forms
def test_no_offset_and_a_mask_of_one_is_the_plain_convolution(modulated, groups):
    layer, x, offset = make(modulated, groups, stride=2)
    still = torch.zeros_like(offset)
    still[:, 18 * groups:] = 50.0  # A logit whose sigmoid is one.
    plain = F.conv2d(x, layer.weight, stride=2, padding=1, groups=2)
    torch.testing.assert_close(layer(x, still), plain)


def test_with_two_groups_both_masks_come_from_the_second_half_of_the_input():
    """The order that the released weights hold (recipes.md 3.7)."""
    conv = offset_conv(128, Deformable(groups=2), stride=1, dilation=1)
    assert conv.weight.shape == (54, 64, 3, 3) and conv.bias.shape == (54,)
    nn.init.ones_(conv.weight)
    x = torch.zeros(1, 128, 5, 5)
    x[:, :64] = 1.0
    reached = conv(x).abs().sum((0, 2, 3)) > 0
    assert reached[:27].all() and not reached[27:].any()


@forms
def test_a_block_is_the_official_wrappers(modulated, groups, monkeypatch):
    for name in ("DeformConv", "ModulatedDeformConv"):
        monkeypatch.setattr(official_wrapper(), name, SlowOfficial)
    theirs = official_wrapper().DeformBottleneckBlock(
        256, 512, bottleneck_channels=128, stride=2, norm="BN", stride_in_1x1=False,
        deform_modulated=modulated, deform_num_groups=groups, avd=True, avg_down=True, radix=2,
        bottleneck_width=64,
    ).double()
    net = create_backbone("resnest14", norm="BN", out_features=("res3",),
                          deform=Deformable(("res3",), modulated=modulated, groups=groups))
    ours = net.res3[0].double()
    randomise_statistics(theirs)
    # Shifts of up to some pixels, and masks between 0 and 1.
    nn.init.normal_(theirs.conv2_offset.weight, std=0.02)
    nn.init.normal_(theirs.conv2_offset.bias, std=1.0)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 256, 9, 10, dtype=torch.float64)
    grids = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [block.eval()(grid) for block, grid in zip((ours, theirs), grids)]
    torch.testing.assert_close(*outputs)
    for out in outputs:
        out.square().sum().backward()
    torch.testing.assert_close(grids[0].grad, grids[1].grad)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs.get_parameter(name).grad, msg=name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@forms
def test_on_a_gpu_it_is_what_it_is_on_a_cpu(modulated, groups):
    layer, x, offset = make(modulated, groups)
    expected = torch.autograd.grad(layer(x, offset).square().sum(), (x, offset, layer.weight))
    on_gpu = [t.detach().cuda().requires_grad_() for t in (x, offset)]
    layer = layer.cuda()
    gradients = torch.autograd.grad(layer(*on_gpu).square().sum(), (*on_gpu, layer.weight))
    torch.testing.assert_close([g.cpu() for g in gradients], list(expected))
