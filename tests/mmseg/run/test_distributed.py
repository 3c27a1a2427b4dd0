"""Several processes of MMSegmentation: they learn and measure what one does, and stop together."""

import json
import os
import re
import signal
import time

import pytest
import torch
from children import assert_same_step, kill_at_call, run_in_child
from ranks import Ranks
from run_tool import end_torchrun, start_torchrun

from resnest_dense import ResNeStError
from resnest_dense.mmseg.parts.dataset import FolderDataset
from resnest_dense.mmseg.run import evaluate, train
from resnest_dense.training import checkpoints
from resnest_dense.training.processes.launch import TOKEN
from resnest_dense.training.record import RECORD


@pytest.fixture
def plain(config):
    """The config without what is random in training, so that only the sharing of work differs."""
    text = config.read_text().replace('dict(type="RandomFlip", prob=0.5), ', "")
    text = text.replace('dict(type="resnest_dense.RandomGaussianBlur"), ', "")
    text = text.replace('"RandomCrop", crop_size=(32, 32)', '"Resize", scale=(32, 32)')
    text = text.replace("num_classes=3", "num_classes=3, dropout_ratio=0")
    text = text.replace("decode_head=dict(", "decode_head=dict(fusion_dropout=0.0, ")
    config.write_text(text)
    return config


@pytest.fixture
def run(config, tmp_path):
    """Trains in a folder of that name, without validation."""
    def run(out, *flags, iterations=1000):
        train.run(train.make_parser().parse_args([
            str(config), "--work-dir", str(tmp_path / out), *flags, "--cfg-options",
            f"train_cfg.max_iters={iterations}", "train_cfg.val_interval=2000",
            "train_dataloader.batch_size=2"]))
        return tmp_path / out

    return run


def wait_for(path, ranks):
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(ranks.said(0))


def two_processes(words, tmp_path):
    with Ranks(lambda rank: train.run(train.make_parser().parse_args(words)), tmp_path) as ranks:
        assert ranks.end() == [0, 0], ranks.said(0)


def two_hosts(words, tmp_path):
    agents = start_torchrun("mmseg_train.py", *words, nodes=2, log=tmp_path / "log")
    assert end_torchrun(agents) == [0, 0], (tmp_path / "log").read_text()


@pytest.mark.parametrize("start", [two_processes, pytest.param(two_hosts, marks=pytest.mark.long)])
def test_two_learn_what_one_process_does(plain, tmp_path, start):
    """A second step would enlarge what rounding has made of the first."""
    step = ["--cfg-options", "train_cfg.max_iters=1", "default_hooks.checkpoint.interval=1"]
    train.run(train.make_parser().parse_args(
        [str(plain), "--work-dir", str(tmp_path / "one"), *step]))
    start([str(plain), "--work-dir", str(tmp_path / "two"), *step,
           "train_dataloader.batch_size=1"], tmp_path)
    ends = (torch.load(tmp_path / name / "iter_1.pth", weights_only=False)
            for name in ("one", "two"))
    assert_same_step(*((end["state_dict"], end["optimizer"]) for end in ends))


def test_each_image_is_measured_once_where_they_do_not_divide(config, run, tmp_path):
    """Six images, four processes, as if each had a disk of its own."""
    checkpoint = run("run", iterations=2) / "iter_2.pth"

    def measure(folder):
        folder.mkdir(exist_ok=True)
        os.chdir(folder)
        print("scores", evaluate.run(evaluate.make_parser().parse_args(
            [str(config), str(checkpoint), "--work-dir", str(tmp_path / "measured")])))

    scores = measure_in_child(measure, tmp_path)
    with Ranks(lambda rank: measure(tmp_path / f"disk{rank}"), tmp_path, size=4) as ranks:
        assert ranks.end() == [0] * 4, ranks.said(0)
        assert ranks.said(0).splitlines()[-1] == scores and "mIoU" in scores
        assert not list(tmp_path.glob("disk*/*"))


def measure_in_child(measure, tmp_path):
    """What one process finds, in a process of its own, as it changes its folder."""
    with Ranks(lambda rank: measure(tmp_path / "alone"), tmp_path, size=1) as ranks:
        assert ranks.end() == [0], ranks.said(0)
        return ranks.said(0).splitlines()[-1]


def test_a_signal_to_one_process_stops_all_after_the_same_iteration(run, tmp_path):
    with Ranks(lambda rank: run("run"), tmp_path) as ranks:
        wait_for(tmp_path / "run/last_checkpoint", ranks)
        os.kill(ranks.pid(1), signal.SIGTERM)
        ranks.end()
        for rank in range(2):
            assert "KeyboardInterrupt: SIGTERM" in ranks.said(rank), ranks.said(rank)
    name = (tmp_path / "run/last_checkpoint").read_text()
    assert f"Interrupted: saved {name}" in ranks.said(0)


def test_one_that_waits_for_its_images_ends_the_other_by_its_name(run, tmp_path):
    def work(rank):
        calls = []

        def hang(self, index):
            calls.append(1)
            if rank == 1 and len(calls) > 6:
                time.sleep(300)
            return read(self, index)

        read, FolderDataset.__getitem__ = FolderDataset.__getitem__, hang
        run("run")

    with Ranks(work, tmp_path, RESNEST_DENSE_PATIENCE="3") as ranks:
        assert ranks.end(0)[0] in (1, 2), ranks.said(0)
        assert re.search(rf"Iteration 3 has not ended .*the others wait for Rank 1 \(process "
                         rf"{ranks.pid(1)} on \S+\), in hang \(", ranks.said(0)), ranks.said(0)


@pytest.mark.long
def test_one_that_hangs_in_an_evaluation_ends_the_other_by_its_name(config, run, tmp_path):
    checkpoint = run("run", iterations=1) / "iter_1.pth"
    read = FolderDataset.__getitem__

    def work(rank):
        def hang(self, index):
            if rank == 1 and index == 5:  # the last of its three
                time.sleep(300)
            return read(self, index)

        FolderDataset.__getitem__ = hang
        evaluate.run(evaluate.make_parser().parse_args(
            [str(config), str(checkpoint), "--work-dir", str(tmp_path / "measured")]))

    with Ranks(work, tmp_path, RESNEST_DENSE_PATIENCE="3") as ranks:
        assert ranks.end(0)[0] in (1, 2), ranks.said(0)
        assert re.search(rf"Rank 1 \(process {ranks.pid(1)} on \S+\) has been at batch 2 of an "
                         r"evaluation for \d+ s, in hang \(", ranks.said(0)), ranks.said(0)


def test_one_that_hangs_in_a_checkpoint_ends_the_other_by_its_name(run, tmp_path):
    def work(rank):
        checkpoints.seal = lambda path: time.sleep(300)  # rank 0 alone writes
        run("run", iterations=4)

    with Ranks(work, tmp_path, RESNEST_DENSE_PATIENCE="1") as ranks:
        assert ranks.end(1)[0] in (1, 2), ranks.said(1)
        assert re.search(rf"Rank 0 \(process {ranks.pid(0)} on \S+\) has done nothing for \d s "
                         r"between two steps, in <lambda> \(", ranks.said(1)), ranks.said(1)


def test_machines_without_a_common_disk_do_not_go_on(run, tmp_path):
    with Ranks(lambda rank: run(f"disk{rank}", iterations=2), tmp_path) as ranks:
        assert ranks.end() == [0, 0], ranks.said(0)
    with Ranks(lambda rank: run(f"disk{rank}", "--resume", iterations=4), tmp_path) as ranks:
        assert ranks.end() == [1, 1]
        for rank in range(2):
            assert re.search(
                r"ResNeStError: The processes would not go on from the same checkpoint: rank 0 on "
                r"\S+ has iter_2.pth \(sha256 \w+\) in \S+disk0; rank 1 on \S+ has no checkpoint "
                r"in \S+disk1", ranks.said(rank)), ranks.said(rank)


def test_a_launch_that_starts_its_processes_again_goes_on_and_another_does_not(
        run, tmp_path, monkeypatch):
    """As torchrun and submitit do, with the same arguments."""
    monkeypatch.setenv(TOKEN, "one launch")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "seal", kill_at_call(2, checkpoints.seal))
        assert run_in_child(lambda: run("run", "--overwrite", iterations=4)) == -signal.SIGKILL
    assert (tmp_path / "run/iter_2.pth").exists()
    monkeypatch.setenv(TOKEN, "another launch")
    with pytest.raises(ResNeStError, match="holds a run.*give --resume"):
        run("run", iterations=4)
    monkeypatch.setenv(TOKEN, "one launch")
    run("run", "--overwrite", iterations=4)
    starts = [json.loads(line) for line in (tmp_path / "run" / RECORD).read_text().splitlines()]
    assert [start["launch"] for start in starts] == ["one launch", "one launch"]
    assert starts[1]["config"]["resume"] and starts[1]["config"]["load_from"].endswith("iter_2.pth")
