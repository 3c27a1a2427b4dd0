"""Where the time of a network goes, by kind of operation."""

import re
from collections import Counter
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

__all__ = ["KINDS", "kernels", "shares"]

# The first pattern that fits the name of an operator decides.
_PATTERNS = {
    "convolutions": r"conv",
    "norms": r"norm",
    "ReLU": r"relu|threshold|clamp",
    "pools": r"pool",
    "transforms": r"bmm|unfold",
    "attention": r"resnest_dense|softmax|sigmoid|mean|sum|mul|lerp|split|chunk|div|sub",
    "additions": r"add",
    "copies": r"copy|clone|contiguous|cat|to_|fill|zero",
}
KINDS = (*_PATTERNS, "other")


def shares(run: Callable[[], object], device: torch.device) -> dict[str, float]:
    """The share of the time of ``run`` that each of ``KINDS`` takes; they add up to 1.

    Operators without a kernel name (Python, memory) are "other". What runs inside a compiled kernel
    is not told apart.
    """
    cuda = device.type == "cuda"
    run()
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda
    with profile(activities=activities) as profiled:
        run()
    time_of = "self_device_time_total" if cuda else "self_cpu_time_total"
    total = Counter()
    for event in profiled.key_averages():
        total[_kind(event.key)] += getattr(event, time_of)
    return {kind: total[kind] / total.total() for kind in KINDS}


def kernels(run: Callable[[], object], device: torch.device, count: int = 40) -> list[dict]:
    """The ``count`` kernels (operators, on a CPU) that take the most time of ``run``, each with its
    calls and milliseconds; first the sum of all."""
    cuda = device.type == "cuda"
    run()
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as profiled:
        run()
        if cuda:
            torch.cuda.synchronize(device)
    time_of = "self_device_time_total" if cuda else "self_cpu_time_total"
    rows = [{"name": event.key[:160], "calls": event.count, "ms": getattr(event, time_of) / 1e3}
            for event in profiled.key_averages() if getattr(event, time_of) > 0]
    rows.sort(key=lambda row: -row["ms"])
    total = {"name": "all", "calls": sum(row["calls"] for row in rows),
             "ms": sum(row["ms"] for row in rows)}
    return [total, *rows[:count]]


def _kind(name: str) -> str:
    matching = (kind for kind, pattern in _PATTERNS.items() if re.search(pattern, name.lower()))
    return next(matching, "other")
