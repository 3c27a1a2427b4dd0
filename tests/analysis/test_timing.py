"""Timing in turn, and the peak of a run's memory."""

import functools
import os
import sys

import pytest
import torch

from resnest_dense.analysis import Timing, in_own_process, peak_growth, time_in_turn


def test_runs_are_taken_in_turn_and_each_round_starts_with_another():
    order = []
    runs = {name: functools.partial(order.append, name) for name in "abc"}
    timings = time_in_turn(runs, rounds=4, device="cpu", warm_up=1)
    assert "".join(order) == "abc" + "abc" "bca" "cab" "abc"
    assert all(len(timing.seconds) == 4 for timing in timings.values())


def test_speedup_is_the_median_of_the_rounds():
    assert Timing((1.0, 2.0, 1.0)).speedup_over(Timing((2.0, 6.0, 5.0))) == 3.0


def test_memory_is_given_back_where_it_is_measured_and_nowhere_else(monkeypatch):
    name = "MALLOC_MMAP_THRESHOLD_"  # It makes a step up to twice as slow.
    monkeypatch.delenv(name, raising=False)
    assert in_own_process(os.getenv, name) == "65536" and name not in os.environ
    assert in_own_process(os.getenv, name, environ={}) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_peak_is_that_of_the_run_alone():
    megabytes = 64
    run = functools.partial(torch.ones, megabytes << 18)
    peak = in_own_process(peak_growth, run, "cpu")
    # The kernel counts pages in batches.
    assert (megabytes - 1) << 20 <= peak <= (megabytes + 8) << 20
