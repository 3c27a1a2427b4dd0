"""Who trains in a folder."""

import json
import multiprocessing
import os
import signal
import socket

import pytest

from resnest_dense import ResNeStError
from resnest_dense.training.lock import training_in

CONTEXT = multiprocessing.get_context("fork")


def hold(folder, taken):
    with training_in(folder):
        taken.send(True)
        signal.pause()


@pytest.fixture
def holder(tmp_path):
    here, there = CONTEXT.Pipe()
    process = CONTEXT.Process(target=hold, args=(tmp_path, there))
    process.start()
    assert here.recv()
    yield process
    process.kill()
    process.join()


def test_another_process_is_named_and_a_dead_one_replaced(tmp_path, holder):
    words = f"process {holder.pid} on {socket.gethostname()} trains there.*training.lock"
    for _ in range(2):
        with pytest.raises(ResNeStError, match=words), training_in(tmp_path):
            raise AssertionError
    with training_in(tmp_path, first=False):
        pass  # what joins the first process asks nobody
    os.kill(holder.pid, signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # it is dead, and not asked for
    with training_in(tmp_path):
        assert json.loads((tmp_path / "training.lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "training.lock").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', json.dumps(
    {"pid": os.getpid(), "host": socket.gethostname(), "started": "another process"})],
    ids=["empty", "cut off", "a list", "no start", "another process"])
def test_what_names_no_living_process_is_taken_over(tmp_path, text):
    (tmp_path / "training.lock").write_text(text)
    with training_in(tmp_path):
        pass


def test_another_machine_cannot_be_asked(tmp_path):
    (tmp_path / "training.lock").write_text(json.dumps(
        {"pid": os.getpid(), "host": "elsewhere", "started": ""}))
    with pytest.raises(ResNeStError, match="on elsewhere trains there.*delete"):
        with training_in(tmp_path):
            raise AssertionError
    assert (tmp_path / "training.lock").exists()


def test_a_folder_that_went_away_is_left(tmp_path):
    with training_in(tmp_path / "run"):
        (tmp_path / "run" / "training.lock").unlink()
        (tmp_path / "run").rmdir()
