"""How many images a step memory holds, and how long a step takes: by steps that are measured."""

import dataclasses
import os
import time
from pathlib import Path

import torch

from resnest_dense.analysis.memory import in_own_process, peak_of_process
from resnest_dense.analysis.speed import ModelCase
from resnest_dense.errors import ResNeStError
from resnest_dense.planning.rules import Derived

__all__ = ["Measured", "free_memory", "largest_batch", "measure_step"]

_FEW = (2, 4)  # images, of which a step is measured first; norms of one image may fail
_SHARE = {"cpu": 0.8, "cuda": 0.92}  # of the free memory; allocators of a CPU waste more
_TIMES = 3  # the first step prepares, others may be disturbed: the quickest counts
_CGROUP = Path("/sys/fs/cgroup")


@dataclasses.dataclass(frozen=True)
class Measured:
    """Of a training step."""

    seconds: float
    memory: int | None  # bytes of the whole process at its peak; None where nothing tells


def measure_step(case: ModelCase) -> Measured:
    """A step of a model in a process of its own.

    Raises:
        ResNeStError: memory does not hold it.
    """
    try:
        return in_own_process(_measure, case)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ResNeStError(f"A step of {case.images} images does not fit into memory: give a "
                           "smaller --image-size or --batch, or another --model.") from error


def largest_batch(case: ModelCase, *, most: int) -> tuple[Derived, Measured]:
    """The most images a step that memory holds: two small steps tell what an image takes, and the
    step that follows from them is measured too.

    Args:
        case: the model; its number of images is not looked at.
        most: images that a step is to have in any case.

    Returns:
        The number with its reason, and its step.

    Raises:
        ResNeStError: even the smallest step does not fit, or this system does not tell memory.
    """
    free = free_memory(case.device)
    found = {count: measure_step(dataclasses.replace(case, images=count)) for count in _FEW}
    used = [found[count].memory for count in _FEW]
    if free is None or used[0] is None or used[1] is None:
        raise ResNeStError("--batch auto: this system does not tell how much memory there is; give "
                           "a number.")
    room = int(free * _SHARE[torch.device(case.device).type])
    image = max((used[1] - used[0]) / (_FEW[1] - _FEW[0]), 1)
    count = min(int(_FEW[1] + (room - used[1]) / image), most)
    if count < 1:
        raise ResNeStError(f"--batch auto: a step of one image takes about "
                           f"{(used[0] - image) / 1e9:.1f} GB, and {room / 1e9:.1f} GB are free: "
                           "give a smaller --image-size or another --model.")
    while count not in found:
        step = measure_step(dataclasses.replace(case, images=count))
        if step.memory is None or step.memory <= room:
            found[count] = step
        else:  # the next guess is on the line through what was measured
            image = (step.memory - used[0]) / (count - _FEW[0])
            count = max(1, min(count - 1, int(_FEW[0] + (room - used[0]) / image)))
    limit = (f"{most} at most" if count == most else
             f"{room / 1e9:.1f} of {free / 1e9:.1f} GB that are free may be used")
    taken = found[count].memory or 0
    return Derived(count, f"the most that fits: {taken / 1e9:.2f} GB measured, "
                   f"{image / 1e6:.0f} MB an image; {limit}"), found[count]


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


def _measure(case: ModelCase) -> Measured:
    model = case.prepare(training=True)
    step = case.step(model, training=True)
    seconds = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        step()
        if torch.device(case.device).type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    peak = peak_of_process(case.device)
    # What an optimizer keeps: at most two numbers for each weight.
    state = sum(2 * weight.numel() * weight.element_size() for weight in model.parameters())
    return Measured(min(seconds), None if peak is None else peak + state)
