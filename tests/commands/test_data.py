"""``check-data`` and ``show-data`` as a user calls them."""

import json
import shutil

import pytest
from coco_cases import write_good_set
from PIL import Image

from resnest_dense.cli import main


@pytest.fixture
def sample(shared_data):
    root = shared_data("coco_panoptic_sample")
    return {"panoptic": root / "annotations/panoptic_val2017.json", "images": root / "val2017",
            "pngs": root / "panoptic_val2017",
            "instances": root / "annotations/instances_val2017.json"}


def run(command, *arguments):
    return main([command, *map(str, arguments)])


def test_keypoints_are_checked_when_asked_for(tmp_path, capsys):
    content = write_good_set(tmp_path)
    (tmp_path / "set.json").write_text(json.dumps(content))
    arguments = ("check-data", tmp_path / "set.json", tmp_path / "images", "--masks", "--keypoints")
    assert run(*arguments, 2) == 0
    assert run(*arguments, 17) == 1
    assert "category 'cat' has 2, the model 17" in capsys.readouterr().out


def test_a_panoptic_set_is_checked_with_its_instances(sample, capsys):
    arguments = ("check-data", sample["panoptic"], sample["images"], "--panoptic", sample["pngs"])
    assert run(*arguments) == 0
    assert "2 images, 50 segments, 133 classes" in capsys.readouterr().out
    assert run(*arguments, "--instances", sample["instances"], "--classes", 80) == 0
    assert "43 annotations (40 to train on), 80 classes" in capsys.readouterr().out
    assert run(*arguments, "--instances", sample["instances"], "--classes", 2) == 1


def test_a_panoptic_file_without_its_pngs_is_refused(sample, capsys):
    assert run("check-data", sample["panoptic"], sample["images"]) == 2
    assert "is a panoptic file" in capsys.readouterr().err


def test_broken_panoptic_pngs_are_told(sample, tmp_path, capsys):
    shutil.copytree(sample["pngs"], tmp_path / "pngs")
    first = sorted((tmp_path / "pngs").iterdir())[0]
    Image.open(first).convert("P").save(first)
    assert run("check-data", sample["panoptic"], sample["images"], "--panoptic",
               tmp_path / "pngs") == 1
    assert f"{first}: mode P" in capsys.readouterr().out
