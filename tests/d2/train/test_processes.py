"""Several processes of detectron2: they learn and measure what one does, and end together."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from children import assert_same_step, same
from d2_runs import SMALL, TRAIN_NET, start_train_net
from detectron2.data import DatasetMapper
from ranks import Ranks, free_port
from run_tool import end_torchrun, start_torchrun

from resnest_dense.d2.train import make_parser, run
from resnest_dense.d2.train.evaluation import EvaluationClock
from resnest_dense.frameworks import framework_of_tool
from resnest_dense.training import checkpoints
from resnest_dense.training.processes.slurm import Job, submit

TINY = [*SMALL, "MODEL.RESNETS.WIDTH_PER_GROUP", "8", "MODEL.RESNETS.STEM_WIDTH", "8",
        "MODEL.FPN.OUT_CHANNELS", "16", "MODEL.MASK_ON", "False", "DATASETS.TEST", "()",
        "MODEL.DEVICE", "cpu", "SOLVER.BASE_LR", "0.01", "SOLVER.WARMUP_ITERS", "0",
        "MODEL.RESNETS.NORM", "SyncBN", "MODEL.FPN.NORM", "SyncBN",
        "MODEL.ROI_BOX_HEAD.NORM", "SyncBN"]
# Nothing is drawn: each anchor and proposal is learned from, and each image has as many.
PLAIN = ["INPUT.RANDOM_FLIP", "none", "MODEL.RPN.POSITIVE_FRACTION", "1.0",
         "MODEL.RPN.BATCH_SIZE_PER_IMAGE", "1024", "MODEL.RPN.NMS_THRESH", "1.0",
         "MODEL.RPN.POST_NMS_TOPK_TRAIN", "8", "MODEL.ROI_HEADS.POSITIVE_FRACTION", "1.0"]


@pytest.fixture(scope="module")
def pairs(tiny, tmp_path_factory):
    """The images of the tiny set that have two objects, or more, of which two are left."""
    content = json.loads(tiny.train_json.read_text())
    content["annotations"] = [one for image in content["images"] for one in [
        one for one in content["annotations"]
        if one["image_id"] == image["id"] and not one["iscrowd"]][:2]]
    counts = [one["image_id"] for one in content["annotations"]]
    content["images"] = [one for one in content["images"] if counts.count(one["id"]) == 2]
    path = tmp_path_factory.mktemp("pairs") / "pairs.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def words(tiny, pairs, tmp_path):
    """Arguments of a run in a folder of that name."""
    def words(out, *more, iterations=4):
        return ["--config-file", "resnest14_mask_rcnn_mini.yaml", "--train-json", str(pairs),
                "--train-images", str(tiny.train_images), *(a for a in more if a[:2] == "--"),
                *TINY, "SOLVER.MAX_ITER", str(iterations), "OUTPUT_DIR", str(tmp_path / out),
                *(a for a in more if a[:2] != "--")]

    return words


def measuring(tiny, words, *more):
    """Arguments that measure in place of training."""
    return [*words[:2], "--eval-only", "--val-json", str(tiny.val_json), "--val-images",
            str(tiny.val_images), *(word for word in TINY if word not in ("DATASETS.TEST", "()")),
            *more, *words[-2:]]


def train(words):
    run(make_parser().parse_args(words))


def wait_until(true, what):
    for _ in range(1200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(what())


def two_processes(words, tmp_path):
    with Ranks(lambda rank: train([*words, "SEED", "0"]), tmp_path) as ranks:
        assert ranks.end() == [0, 0], ranks.said(0)


def two_hosts(words, tmp_path):
    agents = start_torchrun("train_net.py", *words, nodes=2, log=tmp_path / "log")
    assert end_torchrun(agents) == [0, 0], (tmp_path / "log").read_text()


def two_hosts_of_detectron2(words, tmp_path):
    """By its launcher, where each machine draws a seed."""
    machines = ["--num-machines", "2", "--dist-url", f"tcp://127.0.0.1:{free_port()}"]
    with open(tmp_path / "log", "w") as log:
        agents = [subprocess.Popen(
            [sys.executable, str(TRAIN_NET), *words[:2], *machines, "--machine-rank", str(rank),
             *words[2:], "SEED", "-1"], stdout=log, stderr=log) for rank in range(2)]
    assert end_torchrun(agents) == [0, 0], (tmp_path / "log").read_text()


@pytest.mark.parametrize("start", [two_processes, *(pytest.param(
    start, marks=pytest.mark.long) for start in (two_hosts, two_hosts_of_detectron2))])
def test_two_learn_what_one_process_does(words, tmp_path, start):
    """In a second step rounding may change which proposals are the best."""
    start(words("two", *PLAIN, iterations=1), tmp_path)
    two = torch.load(tmp_path / "two/model_final.pth")
    train([*words("one", *PLAIN, iterations=1), "SEED", str(two["trainer"]["seed"])])
    one = torch.load(tmp_path / "one/model_final.pth")
    assert_same_step(*((end["model"], end["trainer"]["_trainer"]["optimizer"])
                       for end in (one, two)))


@pytest.mark.long
def test_torchrun_starts_a_killed_process_again_and_the_run_goes_on(words, tmp_path):
    """Without --resume, and it ends as one that was left alone."""
    period, out = ["SOLVER.CHECKPOINT_PERIOD", "2"], tmp_path / "killed"
    log = tmp_path / "log"
    agents = start_torchrun("train_net.py", *words("killed", *period, iterations=12), processes=2,
                            restarts=1, log=log)
    with Ranks(lambda rank: train(words("whole", *period, iterations=12)), tmp_path) as ranks:
        wait_until((out / "last_checkpoint").exists, log.read_text)
        os.kill(json.loads((out / "training.lock").read_text())["pid"], signal.SIGKILL)
        assert ranks.end() == [0, 0], ranks.said(0)
    assert end_torchrun(agents) == [0], log.read_text()
    assert re.search(r"Starting training from iteration [2-9]", log.read_text())
    assert "The processes were started again" in log.read_text()
    one, other = (torch.load(tmp_path / name / "model_final.pth") for name in ("whole", "killed"))
    assert same(one, other)


def test_one_that_hangs_ends_the_other_by_its_name(words, tmp_path, monkeypatch):
    read = DatasetMapper.__call__

    def work(rank):
        calls = []

        def hang(self, record):
            calls.append(1)
            if rank == 1 and len(calls) == 4:
                time.sleep(300)
            return read(self, record)

        DatasetMapper.__call__ = hang
        train(words("run", iterations=9))

    with Ranks(work, tmp_path, RESNEST_DENSE_PATIENCE="3") as ranks:
        assert ranks.end(0)[0] in (1, 2), ranks.said(0)
        assert "Iteration 3 has not ended" in ranks.said(0)
        assert (f"the others wait for Rank 1 (process {ranks.pid(1)} on " in ranks.said(0)
                and "in hang (" in ranks.said(0))


@pytest.mark.long
def test_one_that_hangs_in_an_evaluation_ends_the_other_by_its_name(tiny, words, tmp_path):
    process = EvaluationClock.process

    def work(rank):
        def hang(self, inputs, outputs):
            if rank == 1 and inputs[0]["image_id"] == last:
                time.sleep(300)
            return process(self, inputs, outputs)

        last = json.loads(tiny.val_json.read_text())["images"][-1]["id"]
        EvaluationClock.process = hang
        run(make_parser().parse_args(measuring(tiny, words("run"), "MODEL.WEIGHTS", "")))

    with Ranks(work, tmp_path, RESNEST_DENSE_PATIENCE="3") as ranks:
        assert ranks.end(0)[0] in (1, 2), ranks.said(0)
        assert re.search(rf"Rank 1 \(process {ranks.pid(1)} on \S+\) has been at batch 1 of an "
                         r"evaluation for \d+ s, in hang \(", ranks.said(0)), ranks.said(0)


@pytest.mark.long
def test_one_that_hangs_in_a_checkpoint_ends_the_other_by_its_name(words, tmp_path):
    def work(rank):
        checkpoints.seal = lambda path: time.sleep(300)  # rank 0 alone writes
        train(words("run", "SOLVER.CHECKPOINT_PERIOD", "2"))

    with Ranks(work, tmp_path, RESNEST_DENSE_PATIENCE="3") as ranks:
        assert ranks.end(1)[0] in (1, 2), ranks.said(1)
        assert re.search(rf"Rank 0 \(process {ranks.pid(0)} on \S+\) has done nothing for 1\d s "
                         r"between two steps, in <lambda> \(", ranks.said(1)), ranks.said(1)


def test_machines_without_a_common_disk_do_not_go_on(words, tmp_path):
    """Each rank has a folder of its own, as if it were elsewhere."""
    with Ranks(lambda rank: train(words(f"disk{rank}", iterations=1)), tmp_path) as ranks:
        assert ranks.end() == [0, 0], ranks.said(0)
    with Ranks(lambda rank: train(words(f"disk{rank}", "--resume")), tmp_path) as ranks:
        assert ranks.end() == [1, 1]
        for rank in range(2):
            assert re.match(
                r"ResNeStError: The processes would not go on from the same checkpoint: rank 0 on "
                r"\S+ has model_final.pth \(sha256 \w+\) in \S+disk0; rank 1 on \S+ has no "
                r"checkpoint in \S+disk1", ranks.said(rank).splitlines()[-1]), ranks.said(rank)


def test_each_image_is_measured_once_where_they_do_not_divide(tiny, words, tmp_path):
    """Four images, three processes."""
    train(words("run", iterations=1))

    def measure(name):
        run(make_parser().parse_args(measuring(
            tiny, words(name), "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0",
            "MODEL.WEIGHTS", str(tmp_path / "run/model_final.pth"))))

    with Ranks(lambda rank: measure("three"), tmp_path, size=3) as ranks:
        assert ranks.end() == [0, 0, 0], ranks.said(0)
    measure("one")
    one, three = (sorted(json.loads(
        (tmp_path / name / "inference/coco_instances_results.json").read_text()),
        key=lambda found: (found["image_id"], -found["score"])) for name in ("one", "three"))
    images = {image["id"] for image in json.loads(tiny.val_json.read_text())["images"]}
    assert {found["image_id"] for found in three} == images and len(images) == 4
    assert one == three
    assert [(tmp_path / name / "results.json").read_text() for name in ("one", "three")].count(
        (tmp_path / "one/results.json").read_text()) == 2


@pytest.mark.long
def test_a_killed_process_of_detectron2s_launcher_is_named(words, tmp_path):
    process = start_train_net(*words("run", "--num-gpus=2", "--dist-url=auto", iterations=5000),
                              cwd=tmp_path)
    wait_until(lambda: (tmp_path / "run/metrics.json").exists(), lambda: process.poll())
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ranks = [int(pid) for pid in children
             if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
    os.kill(ranks[1], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert re.search(rf"train_net.py: Rank 1 \(process {ranks[1]} on \S+\) has ended by SIGKILL",
                     output.splitlines()[-1]), output


@pytest.mark.long
def test_a_preempted_job_ends_as_one_that_was_left_alone(words, tmp_path):
    """Two processes of submitit's LocalExecutor, which get the signal that SLURM would send."""
    def start(name):
        job = Job(framework_of_tool("tools/train_net.py").train, words(name, iterations=60))
        return submit(job, folder=str(tmp_path / f"logs of {name}"), cluster="local",
                      tasks_per_node=2, timeout_min=5)

    job = start("preempted")
    wait_until((tmp_path / "preempted/metrics.json").exists, job.stderr)
    agent = job._process.pid
    for pid in Path(f"/proc/{agent}/task/{agent}/children").read_text().split():
        os.kill(int(pid), signal.SIGUSR2)
    job.results()
    assert "The processes were started again" in job.stdout()
    start("whole").results()
    one, other = (torch.load(tmp_path / name / "model_final.pth") for name in
                  ("whole", "preempted"))
    assert same(one, other)
