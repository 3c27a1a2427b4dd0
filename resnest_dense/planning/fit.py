"""How many images a step memory holds, and how long a step takes: by steps that are measured."""

import dataclasses
import os
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

import torch

from resnest_dense.analysis.memory import in_own_process, peak_of_process
from resnest_dense.analysis.speed import ModelCase
from resnest_dense.errors import ResNeStError
from resnest_dense.planning.rules import Derived

__all__ = ["free_memory", "largest_batch", "measure_step", "time_step"]

_FEW = (2, 4)  # images, of which a step is measured first; norms of one image may fail
_SHARE = {"cpu": 0.8, "cuda": 0.92}  # of the free memory; allocators of a CPU waste more
_MEMORY_STEPS = 2  # the first may come before gradients and buffers are there
_TIMES = 3  # the first step prepares, others may be disturbed: the quickest counts
_ENOUGH = 20.0  # seconds, after which two have to do
_CGROUP = Path("/sys/fs/cgroup")
_Result = TypeVar("_Result")


def time_step(case: ModelCase) -> float:
    """Seconds of a training step of a model, in a process of its own.

    Raises:
        ResNeStError: memory does not hold it.
    """
    return _alone(_time, case, environ={})


def measure_step(case: ModelCase) -> int | None:
    """Bytes of a process at its peak that takes a training step of a model; None where nothing
    tells.

    Raises:
        ResNeStError: memory does not hold it.
    """
    return _alone(_measure, case)


def _alone(function: Callable[[ModelCase], _Result], case: ModelCase, **options: Any) -> _Result:
    try:
        return in_own_process(function, case, **options)
    except (torch.OutOfMemoryError, MemoryError, BrokenProcessPool) as error:
        # A system that is short of memory ends the process.
        raise ResNeStError(f"A step of {case.images} images does not fit into memory: give a "
                           "smaller --image-size or --batch, or another --model.") from error


def largest_batch(case: ModelCase, *, most: int) -> Derived:
    """The most images a step that memory holds: two small steps tell what an image takes, and the
    step that follows from them is measured too.

    Args:
        case: the model; its number of images is not looked at.
        most: images that a step is to have in any case.

    Returns:
        The number with its reason.

    Raises:
        ResNeStError: even the smallest step does not fit, or this system does not tell memory.
    """
    free = free_memory(case.device)
    if free is None or peak_of_process(case.device) is None:
        raise ResNeStError("--batch auto: this system does not tell how much memory there is; give "
                           "a number.")
    room = int(free * _SHARE[torch.device(case.device).type])
    found: dict[int, int] = {}
    count, ceiling = min(_FEW[0], most), most
    while count not in found:
        taken = _try(dataclasses.replace(case, images=count), room)
        if taken is not None:
            found[count] = taken
        elif count > 1:
            ceiling = count - 1
        else:
            raise ResNeStError(f"--batch auto: a step of one image takes more than the "
                               f"{_size(room)} that may be used: give a smaller --image-size or "
                               "another --model.")
        count = _next(found, ceiling, most, room)
    limit = (f"{most} at most" if count == most else
             f"{_size(room)} of the {_size(free)} that are free may be used")
    return Derived(count, f"the most that fits: {_size(found[count])} measured, "
                   f"{_slope(found) / 1e6:.0f} MB an image; {limit}")


def _next(found: dict[int, int], ceiling: int, most: int, room: int) -> int:
    """The next number of images to try, or the greatest of ``found`` where that is the answer."""
    many = max(found, default=0)
    if ceiling < most:  # more does not fit: half way, until there is one image between
        return many if many and ceiling - many <= 1 else many + (ceiling - many + 1) // 2
    if len(found) < len(_FEW):
        return max(many, min(_FEW[1], most))
    if many > _FEW[1]:
        return many
    return max(many, min(most, int(many + (room - found[many]) / _slope(found))))


def _slope(found: dict[int, int]) -> float:
    """Bytes an image."""
    few, many = min(found), max(found)
    return max((found[many] - found[few]) / max(many - few, 1), 1)


def _try(case: ModelCase, room: int) -> int | None:
    """Bytes of a step, if it fits."""
    try:
        taken = measure_step(case) or 0
    except ResNeStError:
        return None
    return taken if taken <= room else None


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB"


def free_memory(device: str) -> int | None:
    """Bytes that a new process may take on a device; None where nothing tells. Of a CPU's memory,
    what the machine and the limit of the container (cgroup v1 or v2) leave."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(torch.device(device))[0]
    left = [_left_in_group(_CGROUP, "memory.max", "memory.current"),
            _left_in_group(_CGROUP / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
            _available()]
    return min((one for one in left if one is not None), default=None)


def _left_in_group(group: Path, limit: str, used: str) -> int | None:
    try:
        values = [int((group / name).read_text()) for name in (limit, used)]
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group, or "max"
        return None
    # Files that were read count as used and are given up first.
    return values[0] - values[1] + int(stat.get("total_inactive_file", stat["inactive_file"]))


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines
                    if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        except (ValueError, OSError, AttributeError):
            return None


def _time(case: ModelCase) -> float:
    seconds: list[float] = []
    step = case.step(case.prepare(training=True), training=True)
    while len(seconds) < 2 or len(seconds) < _TIMES and sum(seconds) < _ENOUGH:
        started = time.perf_counter()
        step()
        if torch.device(case.device).type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _measure(case: ModelCase) -> int | None:
    model = case.prepare(training=True)
    step = case.step(model, training=True)
    for _ in range(_MEMORY_STEPS):
        step()
    peak = peak_of_process(case.device)
    # What an optimizer keeps: at most two numbers for each weight.
    state = sum(2 * weight.numel() * weight.element_size() for weight in model.parameters())
    return None if peak is None else peak + state
