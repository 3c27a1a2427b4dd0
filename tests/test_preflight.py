"""What the preflight says of a batch, of norms, of a learning rate and of weights."""

import logging
import re

import pytest
import torch

from resnest_dense import ResNeStError, create_backbone
from resnest_dense.preflight import (
    InputSettings,
    check_input,
    check_learning_rate,
    check_norms,
    check_weights,
    log_and_raise,
)

KEYS = ("INPUT.FORMAT", "MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD")
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def batch(scale=1.0, dtype=torch.uint8):
    values = torch.randn(2, 3, 40, 50, generator=torch.manual_seed(0))
    pixels = values * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    return [(image * scale).to(dtype) for image in pixels.clamp(0, 255)]


def look(images, order="RGB", mean=MEAN, std=STD, **options):
    settings = InputSettings(order, mean, std, KEYS)
    return check_input(images, settings, **{"unit_std": True, **options})


def test_a_batch_as_it_should_be_is_fine():
    found = look(batch())
    assert found.severity == "fine" and "std [0.9" in str(found)


@pytest.mark.parametrize("images,settings,words", [
    (batch(1 / 255, torch.float32), {}, "the images are 0 to 1.*MODEL.PIXEL_MEAN"),
    (batch(), dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)), "for 0 to 1. Multiply"),
    (batch(), dict(std=(1, 1, 1)), "MODEL.PIXEL_STD is .1, 1, 1"),
    (batch(), dict(order="BGR"), "INPUT.FORMAT gives BGR, and MODEL.PIXEL_MEAN .* order of RGB"),
    (batch(), dict(mean=MEAN[::-1]), "INPUT.FORMAT gives RGB, and MODEL.PIXEL_MEAN .* of BGR"),
    ([torch.full((3, 8, 8), float("nan"))], {}, "no numbers"),
    (batch(), dict(mean=(*MEAN, 100), std=(*STD, 58)), r"\[3\] channels, MODEL.PIXEL_MEAN 4 val"),
])
def test_what_is_certainly_wrong_is_an_error_that_names_the_keys(images, settings, words):
    found = look(images, **settings)
    assert found.severity == "error"
    with pytest.raises(ResNeStError, match=words):
        log_and_raise([found], [[found]], lambda level, line: None, switch="--x", proceed=False)


def test_microsofts_resnets_have_a_std_of_one_on_purpose():
    found = look(batch(), order="BGR", mean=MEAN[::-1], std=(1, 1, 1), unit_std=False)
    assert found.severity == "fine"


def test_images_of_one_colour_are_a_warning():
    assert look([torch.full((3, 8, 8), 90, dtype=torch.uint8)]).severity == "warning"


@pytest.mark.parametrize("norm,images,processes,severity,words", [
    ("BN", 2, 8, "warning", "BatchNorm2d in .*stem over 2"), ("BN", 8, 1, "fine", "8 images"),
    ("SyncBN", 2, 8, "fine", "16 images"), ("SyncBN", 2, 1, "warning", "over 2"),
    ("FrozenBN", 1, 1, "fine", "no batch norm"), ("GN", 1, 1, "fine", "no batch norm learns"),
])
def test_norms_are_counted_over_what_they_see(norm, images, processes, severity, words):
    with torch.device("meta"):
        net = create_backbone("resnest14", norm=norm)
    found = check_norms(net, images=images, processes=processes)
    assert found.severity == severity
    assert re.search(words, str(found)), found


def test_norms_that_do_not_learn_count_nowhere():
    with torch.device("meta"):
        net = create_backbone("resnest14", norm="BN").requires_grad_(False)
    assert check_norms(net, images=1, processes=1).severity == "fine"
    assert check_norms(net.requires_grad_(True).eval(), images=1, processes=1).severity == "fine"


@pytest.mark.parametrize("rate,images,severity,words", [
    (0.02, 16, "fine", "gives 0.02"), (0.0025, 2, "fine", "gives 0.0025"),
    (0.02, 2, "warning", "8 times"), (0.0, 16, "error", "nothing would be learned"),
    (float("nan"), 16, "error", "gives 0.02"),
])
def test_the_linear_rule(rate, images, severity, words):
    found = check_learning_rate(rate, images=images, reference=(0.02, 16), key="SOLVER.BASE_LR")
    assert found.severity == severity and words in str(found) and "SOLVER.BASE_LR" in str(found)


def test_clipped_gradients_bear_a_higher_rate():
    def look(rate):
        return check_learning_rate(rate, images=8, reference=(0.02, 16), key="LR", clipped=True)

    assert look(0.03).severity == "fine" and "Clipped gradients bear more" in str(look(0.03))
    assert look(0.01).severity == "fine" and "Clipped" not in str(look(0.01))
    assert look(0.05).severity == "warning"


def test_accumulation_is_the_remedy_for_small_batches():
    def say(images, parts, rate):
        return check_learning_rate(
            rate, images=images, reference=(0.02, 16), key="LR", parts=parts,
            accumulation="IMAGES {images} ACCUMULATE {parts} LR {rate:g}").meaning

    for rate in (0.0025, 0.02):  # fine, and a warning
        assert say(2, 1, rate).endswith(
            "IMAGES 16 ACCUMULATE 8 LR 0.02 makes steps of 16 images with the memory of these.")
    assert "IMAGES 16 ACCUMULATE 4 LR 0.02" in say(8, 2, 0.01)
    assert "ACCUMULATE" not in say(16, 1, 0.02) + say(32, 1, 0.04) + say(5, 1, 0.00625)


def test_weights_in_percent_and_frozen_random_ones():
    with torch.device("meta"):
        free, frozen = (create_backbone("resnest14", freeze_at=at) for at in (0, 2))
    found = check_weights(frozen, ((126, 127), (0, 96)), key="MODEL.WEIGHTS")
    assert "backbone 99% (126 of 127), heads 0% (0 of 96)" in str(found)
    assert check_weights(free, None, key="MODEL.WEIGHTS").severity == "warning"
    found = check_weights(frozen, None, key="MODEL.WEIGHTS")
    assert found.severity == "error" and "MODEL.WEIGHTS names none" in str(found)


def test_a_line_each_and_the_switch_lets_training_go_on():
    found = [check_learning_rate(0.0, images=16, reference=(0.02, 16), key="LR"), look(batch())]
    lines = []

    def keep(level, line):
        lines.append((line, level))

    with pytest.raises(ResNeStError, match="LR is 0.*give --x"):
        log_and_raise(found, [found], keep, switch="--x", proceed=False)
    log_and_raise(found, [found], keep, switch="--x", proceed=True)
    assert [level for _, level in lines] == [logging.WARNING, logging.INFO] * 2
    assert lines[0][0].startswith("Preflight, learning rate: error: LR is 0")


def test_an_error_in_another_process_stops_this_one_too():
    fine, wrong = look(batch()), look(batch(1 / 255, torch.float32))
    with pytest.raises(ResNeStError, match="the images are 0 to 1"):
        log_and_raise([fine], [[fine], [wrong]], lambda *_: None, switch="--x", proceed=False)
