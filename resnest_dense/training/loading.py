"""What goes wrong while images are loaded: files that turn bad, workers that are killed, shared
memory that runs out."""

import io
import logging
import pickle
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from traceback import extract_tb
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils.data import get_worker_info

from resnest_dense.errors import ResNeStError, listed

__all__ = ["LOST", "BadFile", "FaultsInLoading", "SharingCollate", "lost_worker",
           "out_of_shared_memory", "watch_workers_here"]

_logger = logging.getLogger(__name__)
# What torch raises where a worker has ended, among others.
LOST = (RuntimeError, ConnectionError, EOFError)
_PATIENCE = 5.0  # seconds, as torch's own
_MEMORY = Path("/dev/shm")
_LOST = re.compile(r"DataLoader worker \(pid")
_FULL = re.compile(r"/torch_\d+|shared memory ?(?:\(shm\)|object|limit)|SIGBUS|: Bus error")


class BadFile(NamedTuple):
    """One that could not be loaded."""

    name: str
    reason: str
    worker: int | None  # None in the process that trains

    def __str__(self) -> str:
        what = self.reason if self.name in self.reason else f"{self.name}: {self.reason}"
        return f"{what} ({'no worker' if self.worker is None else f'worker {self.worker}'})"


@dataclass
class FaultsInLoading:
    """Those of a run, in this process, of which so many are made up for.

    Args:
        allowed: that many.
        key: what sets it.
        say: logs a line.
    """

    allowed: int
    key: str
    say: Callable[[str], None] = _logger.warning
    _seen: dict[str, str] = field(default_factory=dict)  # by file or worker, in words
    _deadly: set[str] = field(default_factory=set)  # files that a worker was lost at

    def bad(self, files: Iterable[BadFile], *, whole: bool) -> None:
        """Takes note of files that came with a batch.

        Args:
            files: of which others have taken the places.
            whole: whether that was possible for all.

        Raises:
            ResNeStError: too many so far, or a place that nothing could take.
        """
        for file in files:
            if file.name not in self._seen:
                self._note(file.name, str(file), "Another image takes its place")
        if not whole:
            raise self._too_many()

    def lost(self, worker: str, file: str) -> None:
        """Takes note of a worker that has ended.

        Args:
            worker: in words, with the number of its process.
            file: that it loaded; "" for none.

        Raises:
            ResNeStError: too many so far, or the same file again.
        """
        what = f"{worker} while it loaded {file or 'nothing'}"
        if file in self._deadly:
            raise ResNeStError(
                f"{what}, as another one before: this file ends whoever loads it, or memory is too "
                "small for it. Look at it; give fewer workers; --resume goes on from the last "
                "checkpoint.")
        self._deadly |= {file} - {""}
        self._note(worker, what, "Another one takes its place")

    def _note(self, key: str, what: str, remedy: str) -> None:
        self._seen[key] = what
        if len(self._seen) > self.allowed:
            raise self._too_many()
        self.say(f"{what}. {remedy}; {len(self._seen)} of {self.allowed} such faults that "
                 f"{self.key} allows.")

    def _too_many(self) -> ResNeStError:
        # Long enough that the names of files are whole.
        faults = listed(self._seen.values(), longest=500, room=1200, between="; ")
        return ResNeStError(
            f"Faults while images were loaded: {len(self._seen)}, and {self.key} is "
            f"{self.allowed}: {faults}. Mend them or allow more; --resume goes on from the last "
            "checkpoint.")


class SharingCollate:
    """Collates samples, and with them the files that could not be loaded. In a worker it brings the
    batch into shared memory: where that is full, torch's own thread would lose the batch and leave
    the run waiting for ever.

    Args:
        collate: makes a batch of samples.
    """

    def __init__(self, collate: Callable[[list], Any]):
        self.collate = collate

    def __call__(self, pairs: list[tuple[Any, list[BadFile]]]) -> tuple[list[BadFile], Any]:
        """The files, and the batch; None for it if a sample has none."""
        files = [file for _, found in pairs for file in found]
        samples = [sample for sample, _ in pairs]
        if any(sample is None for sample in samples):
            return files, None
        batch = self.collate(samples)
        if get_worker_info() is not None:
            _Sharing(io.BytesIO(), protocol=5, buffer_callback=_pass_over).dump(batch)
        return files, batch


class _Sharing(pickle.Pickler):
    """Finds every tensor in a value, as pickling does, and moves it to shared memory."""

    def persistent_id(self, value: Any) -> bool | None:
        if not isinstance(value, Tensor):
            return None
        value.share_memory_()
        return True


def _pass_over(buffer: pickle.PickleBuffer) -> None:
    """Takes the numbers of an array, which need no copy."""


def watch_workers_here() -> None:
    """Lets the end of a worker be seen where its batch is waited for: torch's handler of the signal
    would raise an error at any other place, such as in the middle of a step."""
    handler = signal.getsignal(signal.SIGCHLD)
    if (getattr(handler, "__module__", "") or "").startswith("torch.") and (
            threading.current_thread() is threading.main_thread()):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def lost_worker(error: BaseException | None, batches: object = None) -> tuple[int, str] | None:
    """The number of the worker that has ended, -1 if it is not known, and how in words; None if the
    error is another one.

    Args:
        error: of torch; one of :data:`LOST` may be.
        batches: torch's iterator over them.
    """
    places = {Path(frame.filename).name for frame in extract_tb(
        getattr(error, "__traceback__", None))}
    if not isinstance(error, LOST) or "dataloader.py" not in places or (
            isinstance(error, RuntimeError) and not _LOST.search(str(error))):
        return None
    workers = getattr(batches, "_workers", ())
    # The last batch of a worker may be lost with it, a moment before it is seen to have ended.
    wait([worker.sentinel for worker in workers], _PATIENCE)
    for number, worker in enumerate(workers):
        if not worker.is_alive() and worker.exitcode:
            code = worker.exitcode
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            why = ", as the system does when memory runs out" * (how == "SIGKILL")
            return number, f"Worker {number} (process {worker.pid}) was ended by {how}{why},"
    return None if workers else (-1, f"A worker was ended ({' '.join(str(error).split())})")


def out_of_shared_memory(text: str) -> str:
    """What to do about an error that says so; "" if it is another one."""
    if not _FULL.search(text):
        return ""
    left = ""
    if _MEMORY.is_dir():
        usage = shutil.disk_usage(_MEMORY)
        left = f" ({_MEMORY}: {usage.free / 1e6:.0f} of {usage.total / 1e6:.0f} MB are free)"
    return (f"Workers that load images are out of shared memory{left}. Give the container more "
            "(docker run --shm-size=8g or --ipc=host), or take fewer workers "
            "(DATALOADER.NUM_WORKERS; in MMSegmentation workers=N); 0 needs none. --resume goes on "
            "from the last checkpoint.")
