"""A compiled network in a process of its own, which waits for its turn to be timed."""

import multiprocessing
import os
import time
import traceback
from multiprocessing.connection import Connection

import torch
import torch._inductor.config

from benchmarks.case import Case, Row, build, draw_input, draw_state, step_of
from resnest_dense.analysis import peak_growth, time_in_turn

__all__ = ["Worker"]


class Worker:
    """Compiles the network ``name`` for ``case``, and times it when told to.

    Several may compile at the same time, for that is work of the CPU; the first step after it may
    fail for want of memory that the others hold, and is done again when they wait.
    """

    def __init__(self, case: Case, name: str):
        self.case = case
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, case, name), daemon=True)
        self._process.start()

    def poll(self, seconds: float) -> bool:
        """Whether it is compiled, or has failed."""
        return self._connection.poll(seconds) or not self._process.is_alive()

    def measure(self, seconds: float) -> dict:
        """Its figures.

        Raises:
            RuntimeError: it failed, or took longer than ``seconds``.
        """
        figures = self._receive(seconds)
        self._connection.send("go")
        return figures | self._receive(seconds)

    def stop(self) -> None:
        self._process.kill()
        self._process.join(5)

    def _receive(self, seconds: float) -> dict:
        if not self._connection.poll(seconds):
            raise RuntimeError(f"no answer within {seconds:.0f} s")
        answer = self._connection.recv()
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer


def _work(connection: Connection, case: Case, name: str) -> None:
    try:
        # The compiler's own processes: a share of the machine's cores.
        torch._inductor.config.compile_threads = max(1, os.cpu_count() // 8)
        torch.set_num_threads(2)
        started = time.monotonic()
        net = build(case, Row(name, "channels last", compiled=True), draw_state(case))
        run = step_of(case, net, draw_input(case, "channels last"))
        first_step(run)
        connection.send({"compile_seconds": round(time.monotonic() - started, 1)})
        connection.recv()
        run()
        figures = {"peak_mb": round((peak_growth(run, case.device) or 0) / 1e6)}
        [timing] = time_in_turn({name: run}, rounds=7, device=case.device, warm_up=2).values()
        connection.send(figures | {
            "ms": round(1e3 * timing.median, 3), "low_ms": round(1e3 * timing.low, 3),
            "high_ms": round(1e3 * timing.high, 3),
            "images_per_second": round(case.size[0] / timing.median, 2)})
        connection.recv()
    except EOFError:
        pass
    except Exception:  # noqa: BLE001, told to the one who waits
        connection.send({"failed": traceback.format_exc()[-1500:]})


def first_step(run: object) -> None:
    """Compiles; memory is given back for the others."""
    try:
        run()
    except torch.cuda.OutOfMemoryError:
        pass
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
