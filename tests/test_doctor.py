"""The doctor: each known combination is recognised, and a good one is left in peace."""

import pytest

from resnest_dense.cli import main
from resnest_dense.doctor import advise, installed

GOOD = {
    "python": "3.11.7", "torch": "2.11.0", "torchvision": "0.26.0", "opencv-python": "5.0.0",
    "detectron2": "0.6", "detectron2._C": "yes", "mmsegmentation": "1.2.2", "mmengine": "0.10.7",
    "mmcv": "2.1.0", "mmcv._ext": "yes", "pkg_resources": "yes", "cuda": "13.0",
}


def problems(**changes):
    return [a.text for a in advise({**GOOD, **changes}) if a.serious]


def test_a_good_combination_has_no_problem():
    assert problems() == []


@pytest.mark.parametrize("changes,words", [
    ({"pkg_resources": None}, "setuptools<82"),
    ({"mmcv": "2.2.0"}, "mmcv-lite==2.1.0"),
    ({"mmcv": None, "mmcv-lite": "2.2.0"}, "mmcv-lite==2.1.0"),
    ({"mmcv-lite": "2.1.0"}, "mmcv and mmcv-lite"),
    ({"opencv-python-headless": "5.0.0"}, "opencv"),
    ({"torchvision": "0.25.0+cpu"}, "torchvision"),
    ({"opencv-python": None}, "cv2"),
    ({"python": "3.14.0"}, "3.13"),
], ids=str)
def test_a_known_problem_is_named_with_its_fix(changes, words):
    (text,) = problems(**changes)
    assert words in text


def test_this_environment_is_reported(capsys):
    assert main(["doctor"]) == 0
    output = capsys.readouterr().out
    assert f"torch                    {installed()['torch']}" in output and "No known problem" in output
