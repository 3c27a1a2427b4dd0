"""Predictions of a detector: found where the objects are, written as pictures and as JSON."""

import json
import shutil

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from PIL import Image

from resnest_dense import ResNeStError, create_backbone
from resnest_dense.cli import main
from resnest_dense.d2 import get_cfg
from resnest_dense.d2.classes import write_classes
from resnest_dense.configs import find_config
from resnest_dense.d2.predictor import DetectionPredictor

CLASSES = {3: "ball", 17: "box", 44: "kite", 62: "star", 90: "ring"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run whose detector has random weights: it finds something everywhere."""
    folder = tmp_path_factory.mktemp("run")
    cfg = get_cfg()
    cfg.merge_from_file(str(find_config("resnest14_mask_rcnn_mini", "detectron2")))
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 5
    (folder / "config.yaml").write_text(cfg.dump())
    torch.save({"model": build_model(cfg).state_dict()}, folder / "model_final.pth")
    write_classes(folder, CLASSES)
    return folder


def test_pictures_and_results_of_a_folder(run, tiny, tmp_path, capsys):
    out = tmp_path / "out"
    code = main(["predict", str(run / "config.yaml"), str(run / "model_final.pth"),
                 str(tiny.val_images), "--out", str(out), "--threshold", "0.1"])
    assert code == 0 and "4 images" in capsys.readouterr().out
    names = sorted(p.name for p in tiny.val_images.iterdir())
    assert sorted(p.stem for p in out.glob("*.png")) == [n.removesuffix(".jpg") for n in names]
    results = json.loads((out / "detections.json").read_text())
    assert results and {r["file_name"] for r in results} <= set(names)
    for result in results:
        assert result["category_id"] in CLASSES and len(result["bbox"]) == 4
        assert result["segmentation"]["size"] == [64, 96] and result["score"] >= 0.1


def test_the_colour_order_of_the_config_reaches_the_network(run):
    predictor = DetectionPredictor(run / "config.yaml", run / "model_final.pth", device="cpu")
    seen = []
    predictor.model.preprocess_image = lambda inputs: seen.append(inputs[0]["image"]) or 1 / 0
    red = np.zeros((64, 96, 3), np.uint8)
    red[..., 0] = 200
    for order, channel in (("RGB", 0), ("BGR", 2)):
        predictor.format = order
        with pytest.raises(ZeroDivisionError):
            predictor(red)
        assert seen[-1].mean((1, 2)).argmax() == channel


def test_a_backbone_alone_is_refused(run, tmp_path):
    shutil.copy(run / "classes.json", tmp_path)
    torch.save(create_backbone("resnest14").state_dict(), tmp_path / "backbone.pth")
    with pytest.raises(ResNeStError, match="would find nothing"):
        DetectionPredictor(run / "config.yaml", tmp_path / "backbone.pth")


def test_a_file_that_is_no_image_is_named(run, tmp_path, capsys):
    (tmp_path / "a.jpg").write_text("no image")
    assert main(["predict", str(run / "config.yaml"), str(run / "model_final.pth"),
                 str(tmp_path / "a.jpg"), "--out", str(tmp_path)]) == 2
    assert "a.jpg is no image" in capsys.readouterr().err
    assert main(["predict", "x", "y", str(tmp_path / "*.png")]) == 2
    assert "no image there" in capsys.readouterr().err
    Image.new("RGB", (96, 64)).save(tmp_path / "a.png")
    assert main(["predict", "no_such_config", "y", str(tmp_path / "*.png")]) == 2
