"""Runs of detectron2 that are killed, diverge or fill the disk, and what goes on from them."""

import os
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch
from children import kill_at_call, run_in_child, same
from d2_runs import SMALL

from resnest_dense import ResNeStError
from resnest_dense.d2.train import make_parser, run
from resnest_dense.training import checkpoints
from resnest_dense.training.checkpoints import is_whole

TINY = [*SMALL, "MODEL.RESNETS.WIDTH_PER_GROUP", "8", "MODEL.RESNETS.STEM_WIDTH", "8",
        "MODEL.FPN.OUT_CHANNELS", "16", "MODEL.WEIGHTS", "", "MODEL.BACKBONE.FREEZE_AT", "0",
        "SOLVER.CHECKPOINT_PERIOD", "2", "DATASETS.TEST", "()", "MODEL.DEVICE", "cpu",
        "SOLVER.BASE_LR", "0.001", "DATALOADER.NUM_WORKERS", "0"]
RETINANET = ["INPUT.MAX_SIZE_TRAIN", "96", "MODEL.RETINANET.NUM_CONVS", "1",
             "TEST.PRECISE_BN.ENABLED", "False"]
PRECISE = ["TEST.PRECISE_BN.ENABLED", "True", "TEST.PRECISE_BN.NUM_ITER", "1",
           "TEST.EVAL_PERIOD", "3", "SOLVER.ACCUMULATE", "2"]


@pytest.fixture
def train(own_data, tmp_path):
    def train(out, *more, config="resnest14_mask_rcnn_mini.yaml", iterations=5):
        run(make_parser().parse_args([
            "--config-file", config, *own_data[:4], *(a for a in more if a.startswith("--")),
            *TINY, "SOLVER.MAX_ITER", str(iterations), "OUTPUT_DIR", str(tmp_path / out),
            *(a for a in more if not a.startswith("--"))]))
        return tmp_path / out

    return train


@pytest.mark.parametrize("config,options", [
    ("resnest14_mask_rcnn_mini.yaml", PRECISE), ("resnest14_retinanet.yaml", RETINANET)])
def test_killed_in_a_checkpoint_it_ends_as_if_it_had_not_been(train, tmp_path, monkeypatch, config,
                                                              options):
    options = [*options, "SEED", "-1"]
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "seal", kill_at_call(2, checkpoints.seal))
        status = run_in_child(lambda: train("killed", *options, config=config))
    assert status == -signal.SIGKILL
    left = {path.name for path in (tmp_path / "killed").glob("*.pth*")}
    assert left == {"model_0000001.pth", "model_0000003.pth.part"}
    killed = train("killed", "--resume", *options, "DATALOADER.NUM_WORKERS", "1", config=config)
    seed = torch.load(killed / "model_final.pth")["trainer"]["seed"]
    assert f"SEED: {seed}" in (killed / "config.yaml").read_text()
    whole = train("whole", *options[:-2], "SEED", str(seed), config=config)
    one, other = (torch.load(out / "model_final.pth") for out in (whole, killed))
    assert same(one, other) and one["iteration"] == 4
    assert ("loss_normalizer" in one["trainer"]) == ("retinanet" in config)
    assert not list(killed.glob("*.part")) and not (killed / "training.lock").exists()
    # A damaged one is passed over.
    (killed / "model_final.pth").write_bytes((killed / "model_final.pth").read_bytes()[:-9])
    train("killed", "--resume", *options, config=config)
    assert same(one, torch.load(killed / "model_final.pth"))
    assert (killed / "last_checkpoint").read_text() == "model_final.pth"


def test_images_that_turn_bad_give_their_places_to_others(train, own_data, tmp_path, monkeypatch):
    stock, good, bad = checkpoints.seal, Path(own_data[3]), tmp_path / "images"
    own_data[3] = str(bad)

    def spoil_then(act):  # once the first checkpoint is there, with the data on one side of it
        calls = []

        def seal(*args):
            calls.append(1)
            if len(calls) == 1:
                for number in (2, 3, 5):
                    path = bad / f"{number:012d}.jpg"
                    path.write_bytes(path.read_bytes()[:-600])
                (bad / f"{6:012d}.jpg").unlink()
            return act(len(calls), *args)

        shutil.copytree(good, bad, dirs_exist_ok=True)
        monkeypatch.setattr(checkpoints, "seal", seal)

    spoil_then(lambda call, *args: stock(*args))
    whole = train("whole", iterations=8)
    said = (whole / "log.txt").read_text()
    assert "(no worker). Another image takes its place; 1 of 10 such faults" in said
    spoil_then(lambda call, *args: os.kill(os.getpid(), signal.SIGKILL) if call == 3
               else stock(*args))
    assert run_in_child(lambda: train("killed", iterations=8)) == -signal.SIGKILL
    monkeypatch.setattr(checkpoints, "seal", stock)
    killed = train("killed", "--resume", "DATALOADER.NUM_WORKERS", "1", iterations=8)
    one, other = (torch.load(out / "model_final.pth") for out in (whole, killed))
    assert same(one, other) and one["iteration"] == 7
    with pytest.raises(ResNeStError, match="DATALOADER.FAULTS_ALLOWED is 1: .*0000000000"):
        spoil_then(lambda call, *args: stock(*args))
        train("other", "DATALOADER.FAULTS_ALLOWED", "1", iterations=8)
    with pytest.raises(ResNeStError, match="image-truncated"):
        train("new")


def test_a_loss_that_is_no_number_leaves_the_last_checkpoint(train, tmp_path, capsys):
    with pytest.raises(ResNeStError, match=r"Iteration 1: .*learning rate .*\d{12}.jpg.*first "
                                           "output that is not finite is that of backbone"):
        train("run", "SOLVER.BASE_LR", "1e15", "SOLVER.WARMUP_FACTOR", "1.0",
              "SOLVER.CLIP_GRADIENTS.ENABLED", "False", "SOLVER.CHECKPOINT_PERIOD", "1")
    [kept] = (tmp_path / "run").glob("not_finite_0000001_0.pth")
    assert len(torch.load(kept, weights_only=False)["args"][0]) == 2
    [last] = (tmp_path / "run").glob("model_*.pth")
    assert last.name == (tmp_path / "run/last_checkpoint").read_text() == "model_0000000.pth"
    assert is_whole(last) and "Traceback" not in capsys.readouterr().out


def test_a_disk_that_is_full_is_one_line(train, tmp_path, capsys):
    out = train("run", iterations=2)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(ResNeStError, match="model_0000003.pth could not be written: File too"):
            train("run", "--resume", iterations=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name for path in out.glob("*.pth*")} == {"model_0000001.pth", "model_final.pth"}
    assert all(is_whole(path) for path in out.glob("*.pth"))
    assert "Traceback" not in capsys.readouterr().out


def test_the_newest_and_the_best_stay(train, tiny):
    out = train("run", "SOLVER.CHECKPOINT_PERIOD", "1", "SOLVER.CHECKPOINTS_KEPT", "2",
                f"--val-json={tiny.val_json}", f"--val-images={tiny.val_images}",
                "TEST.EVAL_PERIOD", "2", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0", iterations=4)
    assert {path.name for path in out.glob("*.pth")} == {
        "model_0000002.pth", "model_0000003.pth", "model_final.pth", "model_best.pth"}
    best = torch.load(out / "model_best.pth")
    assert (best["metric"], best["iteration"] + 1) == torch.load(
        out / "model_final.pth")["trainer"]["best"]
