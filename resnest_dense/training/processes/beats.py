"""What processes that train together say of themselves, and which of them is at fault by it."""

import json
import os
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from types import FrameType

from resnest_dense.errors import listed
from resnest_dense.training.lock import started

__all__ = ["Beat", "find_fault", "own_beat", "with_place"]

# Where a process is that waits for others.
_WAITING = ("/torch/distributed/", "/torch/autograd/", "/torch/nn/parallel/",
            "/training/processes/ranks.py", "/training/divergence.py")
_COMPILER = "/torch/_dynamo/convert_frame.py"
_STILL = 5  # times patience: a slow disk is not at fault


@dataclass(frozen=True)
class Beat:
    """One that a process gives at regular times."""

    host: str
    pid: int
    space: str  # of process numbers: those of another container mean others
    begun: str  # when that process was started
    number: int = 0  # of the beat
    end: str | None = None  # why it has left, "" without a reason; None while it has not
    verdict: str = ""  # what it has found of another one
    iteration: int | None = None  # of its step; None between two
    alone: bool = False  # it is a batch of an evaluation, at whose end alone the others wait for it
    seconds: float = 0.0  # in that step
    late: float = 0.0  # of these, more than the steps before explain
    still: float = 0.0  # seconds between two steps in which it has not worked
    line: str = ""  # of code that its main thread is in
    waits: bool = False  # for others, there

    @property
    def place(self) -> str:
        """Its step, in words."""
        if self.iteration is None:
            return ""
        return (f"at batch {self.iteration} of an evaluation" if self.alone else
                f"in iteration {self.iteration}")

    def packed(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def unpacked(cls, text: bytes | str) -> "Beat":
        return cls(**json.loads(text))


def own_beat() -> Beat:
    """The first beat of this process."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return Beat(socket.gethostname(), os.getpid(), space, started(os.getpid()))


def with_place(beat: Beat, thread: int) -> Beat:
    """With the line of code that a thread of this process is in; while that compiles, which the
    others may wait for, it is in no step."""
    frame: FrameType | None = sys._current_frames().get(thread)
    if frame is None:
        return beat
    code = frame.f_code
    compiles = any(_COMPILER in caller.f_code.co_filename
                   for caller, _ in traceback.walk_stack(frame))
    return replace(beat, line=f"{code.co_name} ({code.co_filename}:{frame.f_lineno})",
                   waits=any(part in code.co_filename for part in _WAITING),
                   iteration=None if compiles else beat.iteration,
                   late=0.0 if compiles else beat.late)


def _name(rank: int, beat: Beat) -> str:
    return f"Rank {rank} (process {beat.pid} on {beat.host})"


def find_fault(beats: Sequence[Beat], silence: Sequence[float], *, patience: float) -> str:
    """What is wrong with a process, in words; "" if nothing is.

    Args:
        beats: the last of each.
        silence: seconds since then.
        patience: seconds that are too many.
    """
    here = own_beat()
    for rank, (beat, silent) in enumerate(zip(beats, silence)):
        name = _name(rank, beat)
        at = f", {beat.place}" if beat.place else ""
        if beat.verdict:
            return beat.verdict
        if beat.end:
            return f"{name} has ended{at}: {beat.end}"
        if beat.end is None and (beat.host, beat.space) == (here.host, here.space) and (
                started(beat.pid) != beat.begun):
            return f"{name} has died{at}; the others end with it."
        if beat.end is None and silent > patience:
            return (f"{name} has not been heard of for {silent:.0f} s{at}: its machine, its "
                    "network or the process stands still.")
    return _who_is_late(beats, patience) if max(silence) < patience / 4 else ""


def _who_is_late(beats: Sequence[Beat], patience: float) -> str:
    """Who keeps the others waiting; "" while one of a step does something by itself."""
    late = [(rank, beat) for rank, beat in enumerate(beats) if beat.late > patience]
    alone = [(rank, beat) for rank, beat in late if beat.alone and not beat.waits]
    if alone and any(beat.waits for beat in beats):
        rank, beat = alone[0]
        return (f"{_name(rank, beat)} has been {beat.place} for {beat.seconds:.0f} s, in "
                f"{beat.line}, and the others wait for it.")
    still = [(rank, beat) for rank, beat in enumerate(beats)
             if beat.still > _STILL * patience and not beat.waits]
    if still and all(beat.waits for beat in beats if beat.still <= _STILL * patience):
        rank, beat = still[0]
        return (f"{_name(rank, beat)} has done nothing for {beat.still:.0f} s between two steps, "
                f"in {beat.line}, and the others wait for it.")
    steps = [beat.iteration for beat in beats if beat.iteration is not None and not beat.alone]
    if not late or len(steps) < len(beats):
        return ""
    behind = [(rank, beat) for rank, beat in enumerate(beats) if beat.iteration == min(steps)]
    busy = [(rank, beat) for rank, beat in behind if not beat.waits]
    seconds = max(beat.seconds for beat in beats)
    what = (f"Iteration {min(steps)} has not ended for {seconds:.0f} s: "
            f"{'the others wait for ' if busy else 'each process waits for another, '}")
    return what + listed((f"{_name(rank, beat)}, in {beat.line}"
                          for rank, beat in busy or behind), between="; ", longest=300) + "."
