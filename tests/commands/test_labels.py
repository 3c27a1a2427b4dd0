"""``resnest-dense check-labels`` and ``score-labels``."""

import json
import shutil

import pytest

from resnest_dense.cli import main


def test_check_labels_tells_shares_and_by_its_exit_code_whether_to_train(shared_data, capsys):
    camvid = shared_data("camvid")
    folders = [str(camvid / kind / "val") for kind in ("images", "annotations")]
    assert main(["check-labels", *folders, "--classes", str(camvid / "classes.json")]) == 0
    said = capsys.readouterr().out
    # Shares of the README of the data, which are of all labelled pixels.
    assert "60 labels read, no problems found" in said and "29.45 % of the labelled pixels" in said
    assert main(["check-labels", *folders, "--classes", str(camvid / "classes.json"),
                 "--reduce-zero-label"]) == 0
    assert "the last class never occurs: 'bicyclist'" in capsys.readouterr().out


def test_check_labels_refuses_values_beyond_the_classes(shared_data, tmp_path, capsys):
    camvid = shared_data("camvid")
    (tmp_path / "classes.txt").write_text("sky\nbuilding\n")
    assert main(["check-labels", str(camvid / "images/val"), str(camvid / "annotations/val"),
                 "--classes", str(tmp_path / "classes.txt")]) == 1
    assert "label value beyond the classes" in capsys.readouterr().out


def test_check_labels_tells_labels_without_an_image(shared_data, tmp_path, capsys):
    camvid = shared_data("camvid")
    shutil.copytree(camvid / "images/val", tmp_path / "images")
    next((tmp_path / "images").iterdir()).unlink()
    assert main(["check-labels", str(tmp_path / "images"), str(camvid / "annotations/val"),
                 "--classes", str(camvid / "classes.json")]) == 0
    assert "1 label without an image: " in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["predictions", "predictions_shifted"])
def test_score_labels_prints_the_known_scores(shared_data, folder, tmp_path, capsys):
    data = shared_data("ade20k_sample")
    known = json.loads((data / "expected_metrics.json").read_text())[folder]
    (tmp_path / "classes.txt").write_text("\n".join(f"class {i}" for i in range(150)))
    assert main(["score-labels", str(data / folder), str(data / "annotations/validation"),
                 "--classes", str(tmp_path / "classes.txt"), "--reduce-zero-label"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (f"pixAcc {known['pixel_accuracy']:.6f}, mAcc {known['mean_accuracy']:.6f}, "
                    f"mIoU {known['miou_over_seen_classes']:.6f}, "
                    f"mIoU with classes not seen as 0 {known['miou_over_150']:.6f}")
