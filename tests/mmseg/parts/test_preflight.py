"""The preflight of a segmentation run, and what is looked at in the model that it gives."""

import json
import re

import cv2
import pytest

from resnest_dense import ResNeStError
from resnest_dense.cli import main
from resnest_dense.mmseg.run import train

WRONG = ["model.data_preprocessor.mean=[0.485,0.456,0.406]",
         "model.data_preprocessor.std=[0.229,0.224,0.225]"]


def train_with(config, work_dir, *options):
    train.run(train.make_parser().parse_args([
        str(config), "--work-dir", str(work_dir), "--cfg-options", "train_cfg.max_iters=2",
        *options]))


@pytest.mark.parametrize("options,words", [
    (WRONG, "model.data_preprocessor.mean .0.48.* for 0 to 1"),
    (["model.data_preprocessor.bgr_to_rgb=False"], "model.data_preprocessor.bgr_to_rgb gives BGR"),
    (["model.backbone.frozen_stages=1"], "model.backbone.init_cfg names none"),
])
def test_what_is_certainly_wrong_stops_a_run(config, tmp_path, options, words):
    with pytest.raises(ResNeStError, match=words):
        train_with(config, tmp_path / "run", *options)


def test_a_run_says_a_line_each_and_its_model_is_looked_at(config, folders, tmp_path, capsys):
    text = config.read_text() + (
        'custom_hooks = [dict(type="resnest_dense.PreflightHook", proceed=True)]\n')
    config.write_text(text)
    train_with(config, tmp_path / "run", *WRONG)
    [log] = (tmp_path / "run").glob("*/*.log")
    for words in ("input: error: mean .* for 0 to 1", "norms: warning: batch statistics of fewer",
                  "learning rate: warning: optim_wrapper.optimizer.lr is 0.002 for 2 images",
                  "weights: warning: all are random"):
        assert re.search(f"Preflight, {words}", log.read_text()), words

    images = sorted(folders[0].iterdir())
    video = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"FFV1"), 5, (48, 40))
    for path in images[:3]:
        video.write(cv2.imread(str(path)))
    video.release()
    model = [str(tmp_path / "run/tiny.py"), str(tmp_path / "run/iter_2.pth")]
    out = ["--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(["predict", *model, str(tmp_path / "a.avi"), *out]) == 0
    frames = json.loads((tmp_path / "out/a.json").read_text())["frames"]
    assert len(frames) == 3 and all(abs(sum(f["found"].values()) - 1) < 1e-4 for f in frames)
    assert {*frames[0]["found"]} <= {"dark", "middle", "light"}
    assert cv2.VideoCapture(str(tmp_path / "out/a.mp4")).get(cv2.CAP_PROP_FRAME_WIDTH) == 48
    assert main(["attention", *model, str(images[0]), *out]) == 0
    assert len(json.loads((tmp_path / "out/0_attention.json").read_text())["blocks"]) == 3
