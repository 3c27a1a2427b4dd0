"""Times of several runs taken in turn, so that what else the machine does falls on all alike."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

__all__ = ["Timing", "time_in_turn"]


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
                 device: str | torch.device, warm_up: int = 2) -> dict[str, Timing]:
    """Times ``runs`` one after the other in each round; every round starts with another one.

    Args:
        runs: what to time, by name.
        rounds: how often each is timed.
        device: where they compute; a GPU is waited for before and after each run.
        warm_up: runs of each before the first that is timed.
    """
    device = torch.device(device)
    for run in runs.values():
        for _ in range(warm_up):
            run()
    names = list(runs)
    seconds = {name: [] for name in names}
    for start in range(rounds):
        start %= len(names)
        for name in names[start:] + names[:start]:
            seconds[name].append(_seconds(runs[name], device))
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    gc.collect()
    _wait_for(device)
    start = time.perf_counter()
    run()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
