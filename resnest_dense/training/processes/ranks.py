"""What processes that train together tell each other: what the first one found, whether one is to
stop, from which checkpoint they go on. A process alone only hears itself."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import distributed

from resnest_dense.base.seal import digest_of
from resnest_dense.errors import ResNeStError, listed
from resnest_dense.training.checkpoints import Checkpoints

__all__ = ["agreed_checkpoint", "agreed_signal", "from_first", "gathered", "largest", "rank",
           "together"]

T = TypeVar("T")


def together() -> bool:
    """Whether this process has joined others."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """The number of this process among them."""
    return distributed.get_rank() if together() else 0


def largest(value: float) -> float:
    """The largest value that a process has; all must ask."""
    if not together():
        return value
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    worst = torch.tensor(value, dtype=torch.float64, device=device)
    distributed.all_reduce(worst, distributed.ReduceOp.MAX)
    return worst.item()


def agreed_signal(name: str | None) -> str | None:
    """The signal that came to a process, so that all stop after the same iteration; all must ask.

    Args:
        name: of the one that came to this process.
    """
    number = int(largest(signal.Signals[name] if name else 0))
    return signal.Signals(number).name if number else None


def gathered(value: T) -> list[T]:
    """The value of every process, in their order; all must ask."""
    if not together():
        return [value]
    values: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def from_first(make: Callable[[], T]) -> T:
    """What the first process makes, in all; all must ask.

    Raises:
        ResNeStError: what ``make`` raised there, in all.
    """
    if not together():
        return make()
    answer: list[Any] = [None, ""]
    failed: ResNeStError | None = None
    if rank() == 0:
        try:
            answer[0] = make()
        except ResNeStError as error:
            failed, answer[1] = error, str(error)
    distributed.broadcast_object_list(answer)
    if answer[1]:
        raise failed or ResNeStError(answer[1])
    return answer[0]


def agreed_checkpoint(files: Checkpoints) -> Path | None:
    """The checkpoint that this process goes on from, which is that of all others; None where there
    is none yet. All must ask.

    Args:
        files: of the run, as this process sees them.

    Raises:
        ResNeStError: not all have the same one, by name (which tells the iteration) and content.
    """
    path = files.last_whole() if files.find() else None
    own = f"{path.name} (sha256 {digest_of(path)})" if path else "no checkpoint"
    found = gathered((own, socket.gethostname(), str(files.folder)))
    if len({content for content, *_ in found}) > 1:
        who: dict[tuple[str, str, str], list[int]] = {}
        for number, one in enumerate(found):
            who.setdefault(one, []).append(number)
        raise ResNeStError(
            "The processes would not go on from the same checkpoint: " + listed(
                (f"rank {listed(numbers)} on {host} has {content} in {folder}"
                 for (content, host, folder), numbers in who.items()), between="; ", longest=300)
            + ". Put the folder of the run on a disk that all machines reach, or copy the right "
              "checkpoint and last_checkpoint to each.")
    return path
