"""Jobs of SLURM, as submitit's LocalExecutor runs them."""

import json
import os
import signal
import sys
import time

import cloudpickle
import pytest

from resnest_dense import ResNeStError
from resnest_dense.base.interrupt import Interrupt
from resnest_dense.training.processes.launch import launch_token
from resnest_dense.training.processes.slurm import Job, submit

# A job's process cannot import a file of tests by its name.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def count_to(words):
    """As the tools train: it stops after a step when it is told to, saves, and goes on later."""
    path, end, seconds = words
    place = f"{path}.{os.environ.get('RANK', 0)}"
    done = json.loads(open(place).read())["done"] if os.path.exists(place) else 0
    interrupt = Interrupt()
    interrupt.catch()
    for number in range(done, int(end)):
        time.sleep(float(seconds))
        with open(place, "w") as file:
            json.dump({"done": number + 1, "token": launch_token(), "from": done,
                       "pid": os.getpid(), "size": os.environ.get("WORLD_SIZE")}, file)
        if interrupt.name:
            raise KeyboardInterrupt(interrupt.name)


def read(place):
    for _ in range(1200):
        try:
            return json.loads(place.read_text())
        except (FileNotFoundError, ValueError):
            time.sleep(0.05)
    raise AssertionError(place)


@pytest.mark.parametrize("processes", [pytest.param(1, marks=pytest.mark.long), 2])
def test_a_preempted_job_is_queued_again_and_goes_on(tmp_path, processes):
    job = submit(Job(count_to, [str(tmp_path / "run"), "20", "0.1"]), folder=str(tmp_path / "logs"),
                 cluster="local", tasks_per_node=processes, timeout_min=2)
    before = [read(tmp_path / f"run.{rank}") for rank in range(processes)]
    for state in before:  # as SLURM does, and submitit where the time is up
        os.kill(state["pid"], signal.SIGUSR2)
    job.results()
    after = [read(tmp_path / f"run.{rank}") for rank in range(processes)]
    for old, new in zip(before, after):
        assert new["done"] == 20 and 0 < new["from"] < 20 and new["pid"] != old["pid"]
        assert new["token"] == old["token"] != ""
        assert new["size"] == (str(processes) if processes > 1 else None)
    assert len({state["token"] for state in after}) == 1


def test_not_under_torchrun(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    with pytest.raises(ResNeStError, match="torchrun and submitit both"):
        Job(count_to, [])()


def test_parameters_that_are_none_are_named(tmp_path):
    with pytest.raises(ResNeStError, match="--set partition: parameters are KEY=VALUE"):
        submit(Job(count_to, []), folder=str(tmp_path), cluster="local", more=["partition"])
    with pytest.raises(ResNeStError, match="no_parameter"):
        submit(Job(count_to, []), folder=str(tmp_path), cluster="local", more=["no_parameter=1"])
