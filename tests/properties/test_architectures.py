"""Random networks: the right shapes and the numbers of the slow oracle, or an error of ours."""

import pytest
import slow_network
import torch
from hypothesis import given
from hypothesis import strategies as st
from peers import official_features, official_of, randomise_statistics
from strategies import architectures, tries

from resnest_dense import ResNeSt, ResNeStValueError, create_backbone, get_architecture
from resnest_dense.architectures import Architecture
from resnest_dense.weights.identify import to_ours

NAMES = ("stem", "res2", "res3", "res4", "res5")
SIDES = st.integers(1, 70)
IMAGES = st.tuples(st.integers(1, 2), st.integers(1, 4), SIDES, SIDES)  # (N, C, H, W)
DILATED = st.sampled_from([(stride, form) for stride in (32, 16, 8)
                           for form in ("official", "mmseg", "detectron2")])


def can_be(fields):
    """Whether groups and splits divide the channels that they are to divide."""
    radix, groups, width = (fields[key] for key in ("radix", "cardinality", "bottleneck_width"))
    inner = [max(width * 2**i * groups * radix // 4, 32) for i in range(4)]
    return fields["spatial"] != "split" or (
        width % radix == 0 and all(channels % groups == 0 for channels in inner))


def build(fields, **options):
    net = ResNeSt(Architecture(**fields), **options).double()
    with torch.no_grad():
        randomise_statistics(net)
    return net.requires_grad_(False)


def assert_near(found, expected, share):
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= share * float(expected.abs().max()) + 1e-12


@given(architectures().filter(can_be), IMAGES, DILATED,
       st.sets(st.sampled_from(NAMES), min_size=1), st.booleans(), st.integers(0, 99))
@tries(14)
def test_a_network_is_the_slow_one(fields, shape, dilated, wanted, training, seed):
    torch.manual_seed(seed)
    stride, form = dilated
    if training:  # batch norms take no single value, and of two any rounding makes much
        shape = (*shape[:2], *(max(side, 33) for side in shape[2:]))
    names = sorted(wanted, key=NAMES.index)
    net = build(fields, in_channels=shape[1], out_features=names, output_stride=stride,
                dilated_form=form)
    x, state = torch.randn(shape).double(), {k: v.clone() for k, v in net.state_dict().items()}
    expected = slow_network.features(state, Architecture(**fields), x, output_stride=stride,
                                     form=form, training=training, last=names[-1])
    found = net.train(training)(x)
    assert [*found] == names
    for name, feature in found.items():
        channels, step = net.feature_info[name]
        assert feature.shape == (shape[0], channels, -(-shape[2] // step), -(-shape[3] // step))
        # A batch norm over few values of a training batch divides by what is nearly nothing.
        assert_near(feature, expected[name], 1e-5 if training else 1e-9)
    if not training:
        fused = net.fused()
        for name, feature in fused(x).items():
            assert_near(feature, expected[name], 1e-9)


@given(architectures(spatial=st.just("split"), gate=st.just(""), stride_in_1x1=st.just(False))
       .filter(can_be).filter(lambda fields: fields["deep_stem"] == fields["avg_down"]),
       SIDES, SIDES, st.sampled_from((32, 16, 8)), st.integers(0, 99))
@tries(6)
def test_the_slow_network_is_the_official_one(fields, height, width, stride, seed):
    torch.manual_seed(seed)
    a = Architecture(**fields)
    official = official_of(a, stride).double().eval().requires_grad_(False)
    state = to_ours(official.state_dict()).backbone
    x = torch.randn(2, 3, height, width).double()
    expected = official_features(official, x)
    found = slow_network.features(state, a, x, output_stride=stride)
    for name, feature in expected.items():
        assert_near(found[name], feature, 1e-9)


@given(architectures(radix=st.integers(-1, 9), cardinality=st.integers(-1, 9),
                     bottleneck_width=st.integers(-1, 30), stem_width=st.integers(-1, 9)))
@tries(40)
def test_a_network_that_cannot_be_is_an_error_of_ours(fields):
    counts = [fields[key] for key in ("radix", "cardinality", "bottleneck_width", "stem_width")]
    if min(counts) >= 1 and can_be(fields):
        with torch.device("meta"):
            ResNeSt(Architecture(**fields))
    else:
        with pytest.raises(ResNeStValueError):
            ResNeSt(Architecture(**fields))


@pytest.mark.parametrize("name", ["resnest14", "sknet14", "seresnet14d", "resnext50_32x4d"])
def test_the_slow_network_takes_the_named_ones(name):
    net = create_backbone(name).double().eval().requires_grad_(False)
    randomise_statistics(net)
    x = torch.randn(1, 3, 33, 47).double()
    expected = slow_network.features(net.state_dict(), get_architecture(name), x)
    assert_near(net(x)["res5"], expected["res5"], 1e-9)
