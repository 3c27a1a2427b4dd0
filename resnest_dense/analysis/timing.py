"""Times of several runs taken in turn, so that what else the machine does falls on all alike."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

__all__ = ["Timing", "time_in_turn"]

_SPAN = 0.02  # A GPU's events are set this many seconds apart at least, by repeating the run.
_QUEUE_CYCLES = 20_000_000  # About 10 ms, in which a CPU queues what the GPU runs without a gap.


@dataclass(frozen=True)
class Timing:
    """Seconds of one run, round by round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def low(self) -> float:
        return min(self.seconds)

    @property
    def high(self) -> float:
        return max(self.seconds)

    def speedup_over(self, other: "Timing") -> float:
        """How many times faster this is: the median of the ratios round by round."""
        return statistics.median(b / a for a, b in zip(self.seconds, other.seconds, strict=True))


def time_in_turn(runs: Mapping[str, Callable[[], object]], *, rounds: int,
                 device: str | torch.device, warm_up: int = 2,
                 queued: bool = False) -> dict[str, Timing]:
    """Times ``runs`` one after the other in each round; every round starts with another one.

    Args:
        runs: what to time, by name.
        rounds: how often each is timed.
        device: where they compute. On a GPU short runs follow each other without a wait, and count
            by its own clock.
        warm_up: runs of each before the first that is timed.
        queued: whether a GPU is kept busy until all is queued, so that the CPU, which may take
            longer to launch kernels than they to run, is left out; for single kernels.
    """
    device = torch.device(device)
    repeats = {}
    for name, run in runs.items():
        for _ in range(warm_up):
            run()
        repeats[name] = _repeats(run, device)
    names = list(runs)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for start in range(rounds):
        start %= len(names)
        gc.collect()
        for name in names[start:] + names[:start]:
            seconds[name].append(_seconds(runs[name], device, repeats[name], queued))
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def _repeats(run: Callable[[], object], device: torch.device) -> int:
    if device.type != "cuda":
        return 1
    once = _gpu_seconds(run, 1, queued=False)
    return min(max(math.ceil(_SPAN / once), 1), 50)


def _seconds(run: Callable[[], object], device: torch.device, repeats: int,
             queued: bool) -> float:
    if device.type == "cuda":
        with torch.cuda.device(device):
            return _gpu_seconds(run, repeats, queued)
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _gpu_seconds(run: Callable[[], object], repeats: int, queued: bool) -> float:
    """Of one run, out of ``repeats`` between two events."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    if queued:
        torch.cuda._sleep(_QUEUE_CYCLES)
    start.record()
    for _ in range(repeats):
        run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3 / repeats
