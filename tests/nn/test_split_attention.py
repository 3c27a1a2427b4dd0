"""Split attention against a slow loop over images, groups, channels and splits."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from resnest_dense import ResNeStError, ops
from resnest_dense.architectures import Architecture
from resnest_dense.nn.norm import make_pooled_norm
from resnest_dense.nn.spatial.split_attention import SplitAttention

CASES = list(itertools.product((1, 2, 4), (1, 2, 4)))


def slow_split_attention(module, x):
    """Paper section 3.1, one group at a time: its input channels, its weights, its attention."""
    radix, groups = module.radix, module.cardinality
    u = F.relu(module.bn0(module.conv(x)))
    n, rc, h, w = u.shape
    c = rc // radix
    splits = u.reshape(n, radix, groups, c // groups, h, w)  # Radix-major: split, group, channel.
    outputs = []
    inner = module.fc1.out_channels // groups
    for k in range(groups):
        gap = splits[:, :, k].sum(1).mean((2, 3))
        fc1 = module.fc1.weight[k * inner:(k + 1) * inner, :, 0, 0]
        z = gap @ fc1.T + module.fc1.bias[k * inner:(k + 1) * inner]
        norm = module.bn1
        mine = slice(k * inner, (k + 1) * inner)
        z = (z - norm.running_mean[mine]) / (norm.running_var[mine] + norm.eps).sqrt()
        z = F.relu(z * norm.weight[mine] + norm.bias[mine])
        rows = slice(k * rc // groups, (k + 1) * rc // groups)
        logits = z @ module.fc2.weight[rows, :, 0, 0].T + module.fc2.bias[rows]
        logits = logits.reshape(n, radix, c // groups)
        weights = logits.sigmoid() if radix == 1 else logits.softmax(1)
        outputs.append((weights[..., None, None] * splits[:, :, k]).sum(1))
    return torch.cat(outputs, dim=1)


def make(radix, cardinality, **options):
    module = SplitAttention(16 * cardinality, radix=radix, cardinality=cardinality, stride=1,
                            dilation=1, norm="BN", **options).double().eval()
    for parameter in module.parameters():
        parameter.data.normal_()
    for norm in (module.bn0, module.bn1):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return module


@pytest.mark.parametrize("radix,cardinality", CASES)
def test_equals_the_slow_loop(radix, cardinality):
    module = make(radix, cardinality)
    x = torch.randn(2, 16 * cardinality, 5, 7).double()
    torch.testing.assert_close(module(x), slow_split_attention(module, x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("radix,cardinality", CASES)
def test_gradients_of_the_arithmetic(radix, cardinality):
    def attend(x, logits):
        weights = ops.radix_attention(logits, radix, cardinality)
        return ops.radix_sum(x, weights * ops.radix_pool(x, radix).repeat(1, radix, 1, 1), radix)

    x = torch.randn(2, 4 * radix, 3, 2).double().requires_grad_()
    logits = torch.randn(2, 4 * radix, 1, 1).double().requires_grad_()
    torch.autograd.gradcheck(attend, (x, logits))


def test_the_layout_of_a_channels_last_input_is_kept():
    module = make(2, 1).to(memory_format=torch.channels_last)
    x = torch.randn(2, 16, 5, 7).double().to(memory_format=torch.channels_last)
    assert module(x).is_contiguous(memory_format=torch.channels_last)


def test_no_fewer_than_32_inner_channels():
    assert make(1, 1).fc1.out_channels == 32 and make(4, 4).fc1.out_channels == 64


def test_group_norm_of_the_pooled_map_has_one_group():
    norm = make_pooled_norm("GN", 32)
    assert norm.num_groups == 1 and norm(torch.randn(1, 32, 1, 1)).abs().sum() > 1


@pytest.mark.parametrize("options,words", [
    (dict(radix=0), "radix=0"), (dict(cardinality=0), "cardinality=0"),
    (dict(radix=2.0), "radix=2.0"), (dict(blocks=(3, 4, 6)), "4 stages"),
    (dict(blocks=(3, 0, 6, 3)), r"blocks\[1\]=0"),
    (dict(bottleneck_width=-1), "bottleneck_width=-1"),
])
def test_an_impossible_architecture_is_refused(options, words):
    with pytest.raises(ResNeStError, match=words):
        Architecture(**{"blocks": (1, 1, 1, 1), **options})
