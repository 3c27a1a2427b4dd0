"""Pictures of training data: what the network gets, with its ground truth drawn on it."""

import shutil
from pathlib import Path

import numpy as np
from detectron2.data import DatasetCatalog
from PIL import Image

from resnest_dense.cli import main
from resnest_dense.d2.data.show import show_training_data
from resnest_dense.d2.train import make_parser, read_config


def config(own_data, *overrides):
    return read_config(make_parser().parse_args(
        ["--config-file", "resnest14_mask_rcnn_mini.yaml", *own_data, "INPUT.MIN_SIZE_TRAIN",
         "(64,)", *overrides]))


def test_the_command_draws_as_many_as_asked_for(own_data, tmp_path, capsys):
    out = tmp_path / "shown"
    assert main(["show-data", "resnest14_mask_rcnn_mini.yaml", *own_data[:4], "--out", str(out),
                 "--count", "10", "--opts", "INPUT.MIN_SIZE_TRAIN", "(64,)"]) == 0
    assert "10 pictures" in capsys.readouterr().out
    assert [path.name[:5] for path in sorted(out.iterdir())] == [f"{i:04d}_" for i in range(10)]
    # 96x64 pixels are drawn larger.
    assert Image.open(next(out.iterdir())).size == (640, 426)


def test_images_that_cannot_be_read_are_passed_over_and_told(tiny, tmp_path, capsys):
    images = shutil.copytree(tiny.train_images, tmp_path / "images")
    bad = sorted(images.iterdir())[2]
    bad.write_bytes(b"none")
    command = ["show-data", "resnest14_mask_rcnn_mini.yaml", "--train-json", str(tiny.train_json),
               "--count", "12", "--out", str(tmp_path / "shown"), "--train-images"]
    assert main([*command, str(images)]) == 1
    said = capsys.readouterr()
    assert "12 pictures" in said.out and "1 of 13 failed" in said.err and bad.name in said.err
    for path in images.iterdir():
        path.write_bytes(b"none")
    assert main([*command, str(images)]) == 1
    assert "0 pictures" in capsys.readouterr().out


def test_objects_are_drawn_where_they_are(own_data, tmp_path):
    [path], _ = show_training_data(config(own_data, "INPUT.RANDOM_FLIP", "none"), tmp_path, 1)
    record = next(r for r in DatasetCatalog.get("own_train")
                  if Path(r["file_name"]).stem == path.stem[5:])
    picture = Image.open(path).convert("RGB")
    plain = Image.open(record["file_name"]).resize(picture.size)
    changed = abs(np.asarray(picture, dtype=float) - np.asarray(plain)).max(axis=2) > 30
    inside, scale = np.zeros_like(changed), picture.width / record["width"]
    for entry in record["annotations"]:
        if not entry["iscrowd"]:
            x, y, w, h = (np.array(entry["bbox"]) * scale).round().astype(int)
            inside[y:y + h, x:x + w] = True
            assert changed[y:y + h, x:x + w].mean() > 0.25
    assert changed[inside].mean() > 3 * changed[~inside].mean()


def test_what_the_user_can_mend_is_one_line(tmp_path, capsys):
    assert main(["show-data", "resnest14_mask_rcnn_mini.yaml", "--out", str(tmp_path)]) == 2
    assert "coco_2017_train" in capsys.readouterr().err


def test_data_of_a_lazy_config_are_drawn(own_data, tmp_path, capsys):
    config(own_data)  # registers the set
    command = ["show-data", "lazy/resnest50_mask_rcnn.py", "--out", str(tmp_path), "--count", "2"]
    assert main([*command, "--opts", "dataloader.train.dataset.names=own_train"]) == 0
    sizes = [min(Image.open(path).size) for path in sorted(tmp_path.iterdir())]
    assert len(sizes) == 2 and set(sizes) <= {640, 672, 704, 736, 768, 800}  # docs/recipes.md 2.3
    assert main(command) == 2
    assert "coco_2017_train" in capsys.readouterr().err
    assert main([*command, *own_data[:4]]) == 2
    assert "LazyConfig" in capsys.readouterr().err
