"""Own data: two folders and a class list, through the command line and in prediction."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from PIL import Image

from resnest_dense.cli import main
from resnest_dense.configs import find_config
from resnest_dense.mmseg.run import train
from resnest_dense.mmseg.run.predict import SegmentationPredictor
from resnest_dense.mmseg.run.settings import read_config


@pytest.fixture
def classes(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("dark\nmiddle\nlight\n")
    return path


def arguments(config, folders, classes, *more):
    own = [str(folder) for folder in folders]
    return train.make_parser().parse_args(
        [str(config), "--train", *own, "--val", *own, "--classes", str(classes), *map(str, more)])


def test_folders_take_the_place_of_the_config_s_data(folders, classes):
    cfg = read_config(arguments("resnest50_deeplabv3_ade20k", folders, classes,
                                "--reduce-zero-label"))
    for split in ("train", "val", "test"):
        dataset = cfg[f"{split}_dataloader"].dataset
        assert (dataset.type, dataset.images, dataset.labels, dataset.classes,
                dataset.reduce_zero_label) == (
            "resnest_dense.FolderDataset", *map(str, folders), ("dark", "middle", "light"), True)
    assert cfg.model.decode_head.num_classes == cfg.model.auxiliary_head.num_classes == 3


def test_a_pipeline_that_reduces_labels_by_itself_follows_the_data(folders, classes):
    cfg = read_config(arguments("resnest50_fcn_ade20k", folders, classes))
    loads = [step for step in cfg.train_dataloader.dataset.pipeline
             if step.type == "LoadAnnotations"]
    assert loads == [dict(type="LoadAnnotations")]


def test_train_in_bfloat16_and_predict(config, folders, classes, tmp_path):
    run = tmp_path / "run"
    train.run(arguments(config, folders, classes, "--work-dir", run, "--amp"))
    out, images = tmp_path / "out", sorted(folders[0].iterdir())
    assert main(["predict", str(run / "tiny.py"), str(run / "iter_2.pth"), str(images[0]),
                 str(classes), str(images[1]), "--out", str(out), "--device", "cpu"]) == 1
    assert "no image that can be read" in (out / "failures.txt").read_text()
    label, overlay = (np.asarray(Image.open(out / kind / images[1].name))
                      for kind in ("labels", "overlays"))
    predictor = SegmentationPredictor(run / "tiny.py", run / "iter_2.pth", device="cpu")
    assert predictor.classes == ("dark", "middle", "light")
    assert label.shape == (40, 48) and label.dtype == np.uint8 and label.max() < 3
    assert overlay.shape[0] >= 40 and overlay.shape[1] > 48


def test_weights_alone_are_enough_with_a_shipped_config(tmp_path):
    cfg = Config.fromfile(find_config("resnest14_deeplabv3_ade20k", "mmseg"))
    init_default_scope("mmseg")
    torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / "weights.pth")
    predictor = SegmentationPredictor("resnest14_deeplabv3_ade20k", tmp_path / "weights.pth",
                                      device="cpu")
    assert (predictor.classes[:2], len(predictor.palette)) == (("wall", "building"), 150)
    assert predictor(np.zeros((40, 48, 3), np.uint8)).shape == (40, 48)


def test_training_data_is_drawn_as_the_network_gets_it(config, folders, classes, tmp_path, capsys):
    out = tmp_path / "shown"
    own = ["--train", *map(str, folders), "--classes", str(classes)]
    assert main(["show-data", str(config), *own, "--out", str(out), "--count", "9"]) == 0
    assert "6 pictures" in capsys.readouterr().out  # one an image
    pictures = sorted(out.iterdir())
    assert [path.name for path in pictures] == [f"{i:04d}_{i}.png" for i in range(6)]
    # Crops of 32 pixels, and the legend on their right.
    assert all(Image.open(path).height >= 32 and Image.open(path).width > 32 for path in pictures)
    shown = np.asarray(Image.open(pictures[0]))[:32, :32].astype(int)
    assert np.ptp(shown, axis=2).max() > 60  # the grey image has the colours of its classes
