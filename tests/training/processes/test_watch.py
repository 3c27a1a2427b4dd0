"""Processes that die, hang or end by an error, and what the others say of them."""

import os
import re
import signal
import time
from dataclasses import replace

import pytest
from ranks import Ranks
from torch import distributed, ones

from resnest_dense import ResNeStError
from resnest_dense.training.processes.beats import Beat, find_fault
from resnest_dense.training.processes.launch import find_launch, joined
from resnest_dense.training.processes.watch import current_watch, watched

PATIENCE = 3.0


def train(rank, *, steps=1000, wait=0.02, at=None, what=None):
    """Steps in which all wait for each other; rank 1 does ``what`` in step ``at``."""
    with joined(find_launch(), cuda=False), watched() as watch:
        for step in range(steps):
            with watch.step(step):
                if rank == 1 and step == at:
                    what()
                distributed.all_reduce(ones(1))
            time.sleep(wait)
            print(f"step {step}", flush=True)


def wait_for(ranks, words, rank=0):
    for _ in range(600):
        if words in ranks.said(rank):
            return
        time.sleep(0.05)
    raise AssertionError(ranks.said(rank))


def sleep_in_a_step():
    time.sleep(300)


def fail():
    raise OSError("the disk of rank 1 is gone")


@pytest.mark.parametrize("number,words", [
    (signal.SIGKILL, r"has died(, in iteration \d+)?; the others"),
    (signal.SIGSTOP, r"has not been heard of for [34] s.*stands still")])
def test_one_that_is_killed_or_stopped_ends_the_other_by_its_name(tmp_path, number, words):
    with Ranks(train, tmp_path, RESNEST_DENSE_PATIENCE=str(PATIENCE)) as ranks:
        wait_for(ranks, "step 5")
        os.kill(ranks.pid(1), number)
        if number == signal.SIGKILL:  # as a launcher asks what has become of its child
            ranks.processes[1].join()
        begin = time.monotonic()
        assert ranks.end(0)[0] in (1, 2)
        assert time.monotonic() - begin < 3 * PATIENCE
        said = ranks.said(0).splitlines()[-1]
        assert re.search(rf"rror: Rank 1 \(process {ranks.pid(1)} on .*\) {words}", said), said


def test_one_that_hangs_in_a_step_is_named_with_the_line(tmp_path):
    with Ranks(lambda rank: train(rank, at=9, what=sleep_in_a_step), tmp_path,
               RESNEST_DENSE_PATIENCE=str(PATIENCE)) as ranks:
        begin = time.monotonic()
        assert {*ranks.end()} <= {1, 2}  # 1 where its connection is closed before it ends itself
        assert time.monotonic() - begin < 4 * PATIENCE
        for rank in range(2):
            assert (f"Iteration 9 has not ended for 3 s: the others wait for Rank 1 (process "
                    f"{ranks.pid(1)} on ") in ranks.said(rank)
            assert "in sleep_in_a_step (" in ranks.said(rank)


def test_one_that_hangs_in_its_share_of_an_evaluation_is_named(tmp_path):
    def evaluate(rank):
        with joined(find_launch(), cuda=False), watched():
            for batch in range(6):
                current_watch().evaluates(batch, 6)
                if rank == 1 and batch == 4:
                    sleep_in_a_step()
                time.sleep(0.02)
            current_watch().evaluates(6, 6)
            distributed.barrier()

    with Ranks(evaluate, tmp_path, RESNEST_DENSE_PATIENCE=str(PATIENCE)) as ranks:
        begin = time.monotonic()
        assert {*ranks.end()} <= {1, 2}
        assert time.monotonic() - begin < 4 * PATIENCE
        assert (f"Rank 1 (process {ranks.pid(1)} on " in ranks.said(0) and
                "has been at batch 4 of an evaluation for 3 s, in sleep_in_a_step (" in
                ranks.said(0)), ranks.said(0)


def test_an_error_of_one_is_what_the_others_end_by(tmp_path):
    with Ranks(lambda rank: train(rank, at=3, what=fail), tmp_path,
               RESNEST_DENSE_PATIENCE=str(PATIENCE)) as ranks:
        assert ranks.end(1) == [1] and ranks.end(0)[0] in (1, 2)
        assert "OSError: the disk of rank 1 is gone" in ranks.said(1)
        assert "rror: Rank 1 (process " in ranks.said(0).splitlines()[-1]
        assert "has ended, in iteration 3: OSError: the disk of rank 1 is gone" in ranks.said(0)


def test_waiting_for_one_that_saves_is_no_fault_and_all_end_well(tmp_path):
    def save(rank):
        with joined(find_launch(), cuda=False), watched() as watch:
            for step in range(3):
                with watch.step(step):
                    distributed.all_reduce(ones(1))
                if rank == 0 and step == 1:
                    time.sleep(2.5)
        time.sleep(rank)  # the store goes with the first one

    with Ranks(save, tmp_path, RESNEST_DENSE_PATIENCE="1") as ranks:
        assert ranks.end() == [0, 0], ranks.said(1)


def test_slow_steps_are_no_fault():
    def steps(late, **changes):
        step = Beat("a", 1, "", "", iteration=4, seconds=90, late=late, waits=True, line="x")
        return step, replace(step, host="b", pid=2, waits=False, line="y", **changes)

    def fault(*beats, silence=(0, 0)):
        return find_fault(beats, silence[:len(beats)], patience=40)

    assert fault(Beat("host", 0, "", "", late=50)) == ""
    assert fault(*steps(39)) == ""
    assert "Rank 1 (process 2 on b), in y" in fault(*steps(41))
    # One that is silent may be the one at fault, and is not judged by its last words.
    assert fault(*steps(41), silence=(0, 20)) == ""
    # One that saves or compiles is in no step.
    assert fault(*steps(41, iteration=None)) == ""


def test_a_slow_batch_of_an_evaluation_is_a_fault_where_others_wait_for_it_alone():
    slow = Beat("b", 2, "", "", iteration=7, alone=True, seconds=50, late=41, line="y")
    waiting, busy = Beat("a", 1, "", "", waits=True), Beat("a", 1, "", "", iteration=9, alone=True)
    said = "Rank 1 (process 2 on b) has been at batch 7 of an evaluation for 50 s, in y, and the"
    assert find_fault([waiting, slow], [0, 0], patience=40).startswith(said)
    assert find_fault([busy, slow], [0, 0], patience=40) == ""
    assert find_fault([waiting, replace(slow, late=39)], [0, 0], patience=40) == ""
    assert find_fault([waiting, replace(slow, waits=True)], [0, 0], patience=40) == ""


def test_one_that_does_nothing_is_a_fault_where_all_others_wait():
    still, waiting = Beat("b", 2, "", "", still=201, line="y"), Beat("a", 1, "", "", waits=True)
    said = "Rank 1 (process 2 on b) has done nothing for 201 s between two steps, in y, and the"
    assert find_fault([waiting, still], [0, 0], patience=40).startswith(said)
    for others in (replace(still, still=199), replace(still, waits=True)):
        assert find_fault([waiting, others], [0, 0], patience=40) == ""
    assert find_fault([replace(waiting, waits=False), still], [0, 0], patience=40) == ""


def test_patience_is_a_number(monkeypatch, tmp_path):
    def work(rank):
        with joined(find_launch(), cuda=False), watched():
            raise AssertionError

    with Ranks(work, tmp_path, RESNEST_DENSE_PATIENCE="long") as ranks:
        assert ranks.end() == [1, 1]
        assert "RESNEST_DENSE_PATIENCE=long: give the seconds" in ranks.said(0)


def test_torchrun_and_submitit_are_not_used_together(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    with pytest.raises(ResNeStError, match="torchrun and submitit both start"):
        find_launch()
