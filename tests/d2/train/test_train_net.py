"""``tools/train_net.py`` as a user runs it: train, evaluate, resume, interrupt, processes."""

import json
import runpy
import signal
import sys
import time

import pytest
import torch
from d2_runs import SMALL, TRAIN_NET, start_train_net

from resnest_dense import ResNeStError, create_backbone
from resnest_dense.d2.classes import read_classes
from resnest_dense.d2.train import make_parser, read_config
from resnest_dense.d2.train.trainer import evaluate

MINI = ("--config-file", "resnest14_mask_rcnn_mini.yaml")


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]


def test_train_then_evaluate_then_resume(started_train_net, train_net, own_data, tmp_path):
    out = tmp_path / "run"
    small = [*SMALL, "OUTPUT_DIR", out]
    code, output = started_train_net(*MINI, *own_data, *small, "SOLVER.MAX_ITER", 2)
    assert code == 0, output
    assert "No GPU in use: running on the CPU" in output or torch.cuda.is_available()
    trained = {k: v for k, v in rows(out)[-1].items() if "/AP" in k}
    assert {"bbox/AP50", "segm/AP50", "bbox/AP-star"} <= set(trained)
    assert read_classes(out).names == ("ball", "box", "kite", "star", "ring")

    code, output = train_net(*MINI, *own_data, "--eval-only", *small, "MODEL.WEIGHTS",
                             out / "model_final.pth")
    assert code == 0, output
    assert "backbone 100%" in output and "heads 100%" in output
    assert f"{trained['bbox/AP50']:.4f}"[:4] in output

    code, output = train_net(*MINI, *own_data, "--resume", *small, "SOLVER.MAX_ITER", 4)
    assert code == 0, output
    assert "Starting training from iteration 2" in output
    assert torch.load(out / "model_final.pth")["iteration"] == 3


def test_an_interrupted_run_is_saved_and_resumes(own_data, train_net, tmp_path):
    small = [*SMALL, "OUTPUT_DIR", tmp_path / "run", "SOLVER.MAX_ITER"]
    process = start_train_net(*MINI, *own_data, *small, 500, cwd=tmp_path)
    for line in process.stdout:
        if "Starting training" in line:
            time.sleep(2)  # The handlers are set right after this line.
            process.send_signal(signal.SIGINT)
            break
    rest = process.communicate(timeout=240)[0]
    assert process.returncode == 130, rest
    name = (tmp_path / "run/last_checkpoint").read_text()
    done = torch.load(tmp_path / "run" / name)["iteration"]
    code, output = train_net(*MINI, *own_data, "--resume", *small, done + 2)
    assert code == 0 and f"Starting training from iteration {done + 1}" in output, output


@pytest.mark.long
def test_two_cpu_processes_train_with_synchronised_norms(started_train_net, own_data, tmp_path):
    sync = [x for key in ("RESNETS", "FPN", "ROI_BOX_HEAD", "ROI_MASK_HEAD")
            for x in (f"MODEL.{key}.NORM", "SyncBN")]
    code, output = started_train_net(
        *MINI, *own_data, "--num-gpus", 2, "--dist-url", "auto", *SMALL, *sync, "SOLVER.MAX_ITER",
        2, "OUTPUT_DIR", tmp_path / "run")
    assert code == 0, output
    assert any("bbox/AP" in row for row in rows(tmp_path / "run"))


@pytest.mark.long
def test_one_image_per_process_trains(train_net, own_data, tmp_path):
    code, output = train_net(*MINI, *own_data, *SMALL, "SOLVER.IMS_PER_BATCH", 1, "SOLVER.MAX_ITER",
                             2, "OUTPUT_DIR", tmp_path / "run")
    assert code == 0, output
    assert output.count("Batch of one image") == 1


def test_what_is_wrong_ends_the_tool_with_one_line(train_net):
    code, output = train_net("--config-file", "resnest50_fastr_rcnn.yaml")
    assert code == 2 and "Traceback" not in output
    assert "resnest50_faster_rcnn.yaml" in output.splitlines()[-1]


@pytest.mark.parametrize("arguments,words", [
    ([*MINI, "MODEL.RESNETS.RADIXX", "2"], "MODEL.RESNETS.RADIXX"),
    ([*MINI, "--train-json", "a.json"], "--train-images"),
    ([*MINI, "--train-json", "a.json", "--train-images", "."], "a.json"),
    ([*MINI], "DETECTRON2_DATASETS"),
    ([*MINI, "DATASETS.TRAIN", "('coco_2018',)"], "coco_2018"),
    ([*MINI, "SOLVER.AMP.ENABLED", "True", "MODEL.DEVICE", "cpu"], "SOLVER.AMP.ENABLED"),
    ([], "--config-file"),
])
def test_wrong_arguments_are_refused_before_training(arguments, words, monkeypatch, capsys,
                                                     tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train_net.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TRAIN_NET), run_name="__main__")
    assert ended.value.code == 2 and words in capsys.readouterr().err


def test_weights_of_a_backbone_alone_are_not_evaluated(own_data, tmp_path, monkeypatch):
    torch.save(create_backbone("resnest14").state_dict(), tmp_path / "backbone.pth")
    args = make_parser().parse_args(
        [*MINI, *own_data, "MODEL.WEIGHTS", str(tmp_path / "backbone.pth")])
    with pytest.raises(ResNeStError, match="would find nothing"):
        evaluate(read_config(args))


@pytest.mark.long
def test_real_blood_cells_train_and_evaluate(train_net, shared_data, tmp_path):
    bccd = shared_data("bccd")
    data = [f"--{split}-{kind}={bccd / path}" for split, name in (("train", "val"), ("val", "test"))
            for kind, path in (("json", f"annotations/instances_{name}.json"), ("images", name))]
    code, output = train_net(*MINI, *data, *SMALL, "MODEL.MASK_ON", False, "SOLVER.MAX_ITER", 2,
                             "OUTPUT_DIR", tmp_path / "run")
    assert code == 0, output
    assert "1137 annotations" in output and "bbox/AP-Platelets" in rows(tmp_path / "run")[-1]
