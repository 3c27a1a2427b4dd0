"""Speed and memory of models, measured so that the figures of several can be compared."""

from resnest_dense.benchmark.machine import describe_machine
from resnest_dense.benchmark.memory import in_own_process, peak_growth
from resnest_dense.benchmark.timing import Timing, time_in_turn

__all__ = ["Timing", "describe_machine", "in_own_process", "peak_growth", "time_in_turn"]
