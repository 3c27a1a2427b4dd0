"""Who started this process among others, as torchrun and submitit say in the environment."""

import os
import time
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
_PLACE = "resnest_dense"  # of what is in a store
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
    backend, store = "nccl" if cuda else "gloo", _agent_store()
    if store is None:
        distributed.init_process_group(backend, timeout=_LONGEST)
    else:
        # Where torchrun starts processes again, torch (2.11) finds the addresses of the last ones.
        own = distributed.PrefixStore(_meet(store, launch), store)
        distributed.init_process_group(backend, store=own, rank=launch.rank,
                                       world_size=launch.size, timeout=_LONGEST)
    yield
    distributed.destroy_process_group()


def launch_token() -> str:
    """What names a launch through all restarts of its processes; "" where nothing restarts them.

    torchrun keeps a store as long as it runs, for all machines; submitit's jobs have theirs from
    :mod:`resnest_dense.training.processes.slurm`.
    """
    if TOKEN not in os.environ and (store := _agent_store()) is not None:
        # The first one that asks decides.
        os.environ[TOKEN] = store.compare_set(f"{_PLACE}/launch", "", uuid4().hex).decode()
    return os.environ.get(TOKEN, "")


def _agent_store() -> distributed.TCPStore | None:
    """A connection to the store that torchrun keeps as long as it runs; None without one."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    return distributed.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]),
                                is_master=False, timeout=_LONGEST)


def _meet(store: distributed.TCPStore, launch: Launch) -> str:
    """A name that the processes which have been started now agree on, and none before them.

    Each says a word that is new. The first one tells all the words it hears, until each other one
    has found its own among them. (torchrun's count of restarts is not the same on all machines.)
    """
    own = uuid4().hex
    store.set(f"{_PLACE}/word{launch.rank}", own)
    while True:
        if launch.rank == 0:
            words = [word.decode() for word in store.multi_get(
                [f"{_PLACE}/word{rank}" for rank in range(launch.size)])]
            store.set(f"{_PLACE}/words", " ".join(words))
        else:
            words = store.get(f"{_PLACE}/words").decode().split()
            if own in words:
                store.set(f"{_PLACE}/{words[0]}/{launch.rank}", "here")
                return words[0]
        others = [f"{_PLACE}/{own}/{rank}" for rank in range(1, launch.size)]
        if launch.rank == 0 and (not others or store.check(others)):
            return own
        time.sleep(0.05)
