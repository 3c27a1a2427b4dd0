"""``resnest-dense train`` as a user calls it: settings with reasons, and runs of a few steps."""

import json

import numpy as np
import pytest
import yaml
from bad_input import assert_one_line
from convert_cases import write_roboflow, write_voc
from PIL import Image

from resnest_dense import folder_training
from resnest_dense.cli import main
from resnest_dense.configs import find_config
from resnest_dense.d2.config import load_yaml_config
from resnest_dense.mmseg.config import load_config


def run(*words):
    return main(["train", *map(str, words)])


def last_metrics(folder):
    """All scalars of a detector's run, the last of each."""
    lines = (folder / "metrics.json").read_text().splitlines()
    return {key: value for line in lines for key, value in json.loads(line).items()}


def write_labels(root, splits=("train", "val"), count=4):
    """Images whose left half is of class 0 and whose right half of class 1, with the first row of
    no class."""
    rng = np.random.default_rng(0)
    for split in splits:
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for n in range(count):
            image = rng.integers(0, 256, (8, 10, 3), dtype=np.uint8)
            Image.fromarray(image).resize((100, 80)).save(root / f"images/{split}/{split}{n}.png")
            label = np.zeros((80, 100), np.uint8)
            label[:, 50:], label[0] = 1, 255
            Image.fromarray(label).save(root / f"labels/{split}/{split}{n}.png")
    (root / "classes.txt").write_text("left\nright\n")


def test_a_detector_from_voc_files(tmp_path, capsys):
    write_voc(tmp_path / "in", count=10)
    assert run(tmp_path / "in", "--task", "detect", "--out", tmp_path / "out", "--epochs", 1,
               "--image-size", 64) == 0
    out = capsys.readouterr().out
    assert "Pascal VOC" in out and "(1 epochs of 8 images, 2 a step)" in out
    assert "python tools/train_net.py --config-file" in out
    assert "bbox/AP50" in last_metrics(tmp_path / "out")
    report = (tmp_path / "out/report.html").read_text()
    for words in ("Finished: 4 of 4 iterations", "Confusion matrix", "Preflight, norms"):
        assert words in report
    assert (tmp_path / "out/model_final.pth").is_file()
    cfg = load_yaml_config(tmp_path / "out/config.yaml")
    assert (cfg.SOLVER.MAX_ITER, cfg.SOLVER.IMS_PER_BATCH, cfg.MODEL.MASK_ON, cfg.SEED) == (
        4, 2, False, 0)
    assert cfg.INPUT.MIN_SIZE_TEST == 64 and cfg.MODEL.ROI_HEADS.NUM_CLASSES == 2
    # Boxes of 10 x 6 pixels at 64 / 30.
    assert cfg.MODEL.ANCHOR_GENERATOR.SIZES[0] == [round(60**0.5 * 64 / 30)]
    # The folder is a run now, and its data that of a folder as it was.
    (tmp_path / "in/more.txt").touch()
    code = run(tmp_path / "in", "--task", "detect", "--out", tmp_path / "out", "--epochs", 1)
    assert_one_line(code, capsys, ("was made of another folder", "delete it"))
    (tmp_path / "in/more.txt").unlink()
    code = run(tmp_path / "in", "--task", "detect", "--out", tmp_path / "out", "--epochs", 1)
    assert_one_line(code, capsys, ("holds a run", "--overwrite"))


def test_a_segmentor_from_folders(tmp_path, capsys):
    write_labels(tmp_path / "in")
    assert run(tmp_path / "in", "--task", "segment", "--out", tmp_path / "out", "--epochs", 1,
               "--image-size", 96, "--batch", 2, "--seed", 3) == 0
    out = capsys.readouterr().out
    assert "python tools/mmseg_train.py" in out and "mIoU" in out
    cfg = load_config(tmp_path / "out/train.py")
    assert (cfg.train_cfg.max_iters, cfg.train_dataloader.batch_size, cfg.randomness.seed) == (
        2, 2, 3)
    assert cfg.model.decode_head.num_classes == 2 and cfg.model.data_preprocessor.size == (64, 64)
    assert (tmp_path / "out/iter_2.pth").is_file()
    # What the report measures of the best weights is what the validation has.
    rows = (json.loads(line) for path in (tmp_path / "out").glob("*/vis_data/scalars.json")
            for line in path.read_text().splitlines())
    best = max(row["mIoU"] for row in rows if "mIoU" in row)
    report = (tmp_path / "out/report.html").read_text()
    for words in ("Finished: 2 of 2 iterations", "best_mIoU_iter_", "Preflight, norms",
                  f"<b>{best:.1f} %</b><span>mean IoU</span>"):
        assert words in report
    # Half of the pixels each.
    assert cfg.model.decode_head.loss_decode.class_weight == [1.0, 1.0]


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_a_fast_run_is_as_long_as_a_measured_step_says(tmp_path, monkeypatch, task):
    steps = []

    def measure(case):  # in this process
        case.step(case.prepare(training=True), training=True)()
        steps.append((case.images, case.size))
        return 2.0

    monkeypatch.setattr(folder_training, "time_step", measure)
    (write_voc if task == "detect" else write_labels)(tmp_path / "in")
    assert run(tmp_path / "in", "--task", task, "--out", tmp_path / "out", "--dry-run",
               "--image-size", 64, "--batch", 2) == 0
    assert steps == [(2, (64, 86) if task == "detect" else (64, 64))]
    # 8 minutes of steps of 2 s and a fifth more.
    if task == "detect":
        assert load_yaml_config(tmp_path / "out/train.yaml").SOLVER.MAX_ITER == 200
    else:
        assert load_config(tmp_path / "out/train.py").train_cfg.max_iters == 200


def test_labels_without_a_split_are_divided(tmp_path):
    write_labels(tmp_path / "in", ("all",), count=10)
    for kind in ("images", "labels"):
        for path in (tmp_path / "in" / kind / "all").iterdir():
            path.rename(tmp_path / "in" / kind / path.name)
        (tmp_path / "in" / kind / "all").rmdir()
    assert run(tmp_path / "in", "--task", "segment", "--out", tmp_path / "out", "--epochs", 1,
               "--dry-run") == 0
    for kind in ("images", "labels"):
        assert [len([*(tmp_path / f"out/data/{split}/{kind}").iterdir()])
                for split in ("train", "val")] == [8, 2]


@pytest.mark.parametrize("task,base", [("detect", "resnest50_faster_rcnn.yaml"),
                                       ("segment-instances", "resnest50_mask_rcnn.yaml")])
def test_the_paper_s_recipe_is_scaled(tmp_path, task, base):
    write_roboflow(tmp_path / "in")
    assert run(tmp_path / "in", "--task", task, "--preset", "paper", "--out", tmp_path / "out",
               "--batch", 4, "--dry-run") == 0
    found = load_yaml_config(tmp_path / "out/train.yaml")
    paper = load_yaml_config(find_config(base, "detectron2"))
    assert (found.MODEL.RESNETS, found.MODEL.FPN, found.MODEL.WEIGHTS) == (
        paper.MODEL.RESNETS, paper.MODEL.FPN, paper.MODEL.WEIGHTS)
    assert (found.MODEL.MASK_ON, found.INPUT.MIN_SIZE_TRAIN) == (
        task != "detect", paper.INPUT.MIN_SIZE_TRAIN)
    assert (found.SOLVER.BASE_LR, found.SOLVER.MAX_ITER, found.SOLVER.STEPS) == (
        0.005, 12000, (8000, 10666))
    # 4-fold objects at 800 / 30: far larger than the least anchor.
    assert found.MODEL.ANCHOR_GENERATOR.SIZES == paper.MODEL.ANCHOR_GENERATOR.SIZES


def test_an_architecture_and_weights_by_name(tmp_path):
    write_roboflow(tmp_path / "in")
    assert run(tmp_path / "in", "--task", "segment-instances", "--model", "resnest26",
               "--pretrained", "resnest26", "--out", tmp_path / "out", "--epochs", 2,
               "--workers", 3, "--dry-run") == 0
    content = yaml.safe_load((tmp_path / "out/train.yaml").read_text())
    assert content["MODEL"]["RESNETS"] == {"ARCHITECTURE": "resnest26"}
    assert content["MODEL"]["WEIGHTS"] == "resnest26" and "BACKBONE" not in content["MODEL"]
    assert content["DATALOADER"]["NUM_WORKERS"] == 3 and content["MODEL"]["MASK_ON"] is True


def test_panoptic_folders(tmp_path, shared_data):
    root = shared_data("coco_panoptic_sample")
    for split in ("train", "val"):
        (tmp_path / f"in/{split}2017").parent.mkdir(exist_ok=True)
        (tmp_path / f"in/{split}2017").symlink_to(root / "val2017")
        (tmp_path / f"in/annotations/panoptic_{split}2017").parent.mkdir(exist_ok=True)
        (tmp_path / f"in/panoptic_{split}2017").symlink_to(root / "panoptic_val2017")
        (tmp_path / f"in/annotations/panoptic_{split}2017.json").symlink_to(
            root / "annotations/panoptic_val2017.json")
    words = (tmp_path / "in", "--task", "panoptic", "--out", tmp_path / "out", "--epochs", 1,
             "--image-size", 64)
    assert run(*words) == 0
    assert {"panoptic_seg/PQ", "bbox/AP", "sem_seg/mIoU"} <= {*last_metrics(tmp_path / "out")}


@pytest.mark.parametrize("words,said", [
    (("--epochs", 0), ("--epochs 0", "at least 1")),
    (("--image-size", 63), ("--image-size 63", "at least 64")),
    (("--batch", 0), ("--batch 0", "at least 1")),
    (("--workers", -1), ("--workers -1",)),
    (("--device", "cuda:9"), ("no such device",)),
    (("--model", "resnest5000"), ("resnest5000",)),
    (("--model", "resnest50_deeplabv3_ade20k"), ("no config for --task detect",)),
    (("--model", "lazy/resnest50_mask_rcnn"), ("is a LazyConfig",)),
])
def test_what_cannot_be_is_one_error(tmp_path, capsys, words, said):
    write_roboflow(tmp_path / "in")
    code = run(tmp_path / "in", "--task", "detect", "--out", tmp_path / "out", "--epochs", 1,
               *words)
    assert_one_line(code, capsys, said)
    assert not (tmp_path / "out/train.yaml").exists()


def test_data_that_cannot_be_used(tmp_path, capsys):
    write_labels(tmp_path / "in")
    (tmp_path / "in/classes.txt").unlink()
    words = ("--out", tmp_path / "out", "--epochs", 1)
    assert_one_line(run(tmp_path / "in", "--task", "segment", *words), capsys, ("no class list",))
    assert_one_line(run(tmp_path / "in", "--task", "detect", *words), capsys,
                    ("has no annotations that are read",))
    assert_one_line(run(tmp_path / "in", "--task", "panoptic", *words), capsys,
                    ("panoptic_train.json",))
    write_roboflow(tmp_path / "coco")
    (tmp_path / "coco/valid/valid0.png").unlink()
    assert run(tmp_path / "coco", "--task", "detect", *words) == 2
    assert "[image-missing]" in capsys.readouterr().err
