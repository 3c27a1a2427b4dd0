"""Each rule: the value that docs/first_hour.md says, by hand."""

import pytest

from resnest_dense.planning import rules


@pytest.mark.parametrize("smallest,short,side", [
    (40, 480, 192),   # platelets of BCCD: 40 * 192 / 480 = 16
    (200, 480, 160),  # large objects: the least side
    (8, 1080, 384),   # tiny ones: the largest
])
def test_the_side_keeps_small_objects(smallest, short, side):
    assert rules.shorter_side(smallest, short).value == side


@pytest.mark.parametrize("smallest,largest,levels,stride,sizes", [
    (20, 80, 3, 8, [[20], [40], [80]]),
    (5, 40, 3, 8, [[16], [25], [40]]),    # not below two positions
    (20, 20, 3, 8, [[20], [30], [45]]),   # a level's sizes stay apart
    (10, 1000, 3, 4, [[10], [25], [62]]),
    (30, 60, 1, 8, [[30]]),
])
def test_anchors_go_from_small_to_large_objects(smallest, largest, levels, stride, sizes):
    assert rules.anchor_sizes(smallest, largest, levels, stride).value == sizes


@pytest.mark.parametrize("smallest,least", [(40, 32), (32, 32), (31, 16), (9, 8), (1, 8)])
def test_anchors_of_a_pyramid_are_halved(smallest, least):
    found = rules.pyramid_anchors([[32], [64]], smallest).value
    assert found == [[least], [2 * least]]


def test_the_rate_is_linear():
    assert rules.learning_rate((0.02, 16), 4).value == pytest.approx(0.005)
    assert "0.02 for 16 images" in rules.learning_rate((0.02, 16), 4).reason


def test_lengths():
    assert rules.length(205, 4, 8).value == 410
    assert rules.length(3, 8, 1).value == 1
    # COCO's 117,266 images with objects: 90,000 steps of 16 are 12.3 epochs.
    assert rules.paper_length(117266, 16).value == pytest.approx(90000, rel=0.03)
    assert rules.paper_length(200, 16).value == 3000 and rules.paper_length(200, 8).value == 6000
    # Eight minutes of steps that take a fifth more than was measured.
    assert rules.fast_length(1.0, 200, 8).value == 400
    assert rules.fast_length(100, 200, 8).value == 200
    assert rules.fast_length(0.01, 200, 8).value == 4000
    assert rules.run_length("paper", 3, 16, 8, None).value == 6
    assert rules.run_length("fast", None, 16, 8, 1.0).value == 400


def test_schedules():
    assert rules.steps(90000).value == [60000, 80000]
    assert rules.warm_up(90000).value == 1000 and rules.warm_up(400).value == 40
    assert rules.warm_up(1).value == 1
    assert rules.evaluation_period(400, 3).value == 134
    assert rules.evaluation_period(2, 3).value == 1


def test_classes_weigh_by_their_share():
    # 1 / root: 1, 2 and 10 before; the mean over the pixels is 1 after.
    shares = [0.6, 0.39, 0.01]
    weights = rules.class_weights(shares).value
    assert sum(w * s for w, s in zip(weights, shares)) == pytest.approx(1, abs=2e-3)
    assert weights[2] / weights[0] == pytest.approx((0.6 / 0.01) ** 0.5, rel=1e-2)
    # A class that is in no label has a weight, and a finite one.
    assert rules.class_weights([1.0, 0.0]).value[1] == pytest.approx(100)


def test_sizes_of_segmentors():
    assert rules.longer_side(2048).value == 320 and rules.longer_side(200).value == 192
    assert rules.crop(320).value == 192 and rules.crop(64).value == 64


def test_proposals_and_workers():
    assert [rules.proposals(most).value for most in (1, 30, 1000)] == [64, 128, 512]
    assert [rules.workers(2, "cpu").value, rules.workers(2, "cuda").value,
            rules.workers(64, "cuda").value] == [0, 1, 8]


@pytest.mark.parametrize("preset,pretrained,architecture,value,reason", [
    ("fast", None, "resnest26", "none", "no download"),
    ("fast", "none", None, "none", "--pretrained none"),
    ("paper", "none", "resnest26", "none", "--pretrained none"),
    ("fast", "a.pth", "resnest26", "a.pth", "--pretrained"),
    ("paper", None, "resnest26", "resnest26", "published weights of --model"),
    ("paper", None, None, "", "the config's")])
def test_what_a_run_starts_from(preset, pretrained, architecture, value, reason):
    found = rules.weights(preset, pretrained, architecture)
    assert found.value == value and reason in found.reason


@pytest.mark.parametrize("fits,parts", [(16, 1), (64, 1), (8, 2), (6, 4), (3, 8), (1, 16)])
def test_a_recipe_s_batch_goes_through_in_equal_parts_that_fit(fits, parts):
    assert rules.accumulation(16, fits).value == parts
