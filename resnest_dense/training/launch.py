"""Who started this process among others, as torchrun and submitit say in the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import torch
from torch import distributed

from resnest_dense.errors import ResNeStError, ResNeStValueError

__all__ = ["TOKEN", "Launch", "find_launch", "joined", "launch_token"]

TOKEN = "RESNEST_DENSE_LAUNCH"
_PLACES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_TORCHRUN, _SUBMITIT = "TORCHELASTIC_RUN_ID", "SUBMITIT_EXECUTOR"
_LONGEST = timedelta(minutes=30)  # that one waits for another, as in detectron2


@dataclass(frozen=True)
class Launch:
    """The place of a process among those that were started together."""

    rank: int
    size: int
    local_rank: int  # among those on this machine
    local_size: int


def find_launch() -> Launch | None:
    """The place that the environment gives this process; None where it was started by itself.

    Raises:
        ResNeStError: both torchrun and submitit have started it.
    """
    if _TORCHRUN in os.environ and _SUBMITIT in os.environ:
        raise ResNeStError("torchrun and submitit both start and restart this process, each in its "
                           "own way: start the tool by torchrun, or by tools/submit.py, not both.")
    try:
        return Launch(*(int(os.environ[name]) for name in _PLACES))
    except KeyError:
        return None


@contextmanager
def joined(launch: Launch | None, *, cuda: bool) -> Iterator[None]:
    """Inside, the processes of a launch are torch's default group; nothing without one.

    Raises:
        ResNeStValueError: a machine with fewer GPUs than processes.
    """
    if launch is None:
        yield
        return
    if cuda:
        if launch.local_size > torch.cuda.device_count():
            raise ResNeStValueError(
                f"{launch.local_size} processes were started on this machine, which has "
                f"{torch.cuda.device_count()} GPUs: start one for each GPU.")
        torch.cuda.set_device(launch.local_rank)
    distributed.init_process_group("nccl" if cuda else "gloo", timeout=_LONGEST)
    yield
    distributed.destroy_process_group()


def launch_token() -> str:
    """What names a launch through all restarts of its processes; "" where nothing restarts them.

    torchrun keeps a store as long as it runs, for all machines; submitit's jobs have theirs from
    :mod:`resnest_dense.training.slurm`.
    """
    if TOKEN not in os.environ and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        store = distributed.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]),
                                     is_master=False, timeout=_LONGEST)
        # The first one that asks decides.
        os.environ[TOKEN] = store.compare_set("resnest_dense/launch", "", uuid4().hex).decode()
    return os.environ.get(TOKEN, "")
