"""The most memory that a run needs above what was there before it."""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch

__all__ = ["in_own_process", "peak_growth", "peak_of_process"]

_Result = TypeVar("_Result")
_STATUS = Path("/proc/self/status")
_PEAK_RESET = Path("/proc/self/clear_refs")
# glibc raises this threshold to what was freed last, and keeps what lies below it: with it, freed
# tensors go back to the system at once, so that the size of a process is what is in use. That makes
# it slow, too.
_GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": str(64 * 1024)}


def peak_growth(run: Callable[[], object], device: str | torch.device) -> int | None:
    """Bytes that ``run`` needs at its peak above what was allocated before it.

    It runs twice, and the second run counts. On a CPU this is memory of the whole process, so let
    it be one of its own (:func:`in_own_process`); only Linux tells, elsewhere the answer is None.

    Args:
        run: what is measured.
        device: where it computes.
    """
    device = torch.device(device)
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if not _PEAK_RESET.exists():
        return None
    _PEAK_RESET.write_text("5")
    before = _status_bytes("VmRSS")
    run()
    return _status_bytes("VmHWM") - before


def peak_of_process(device: str | torch.device) -> int | None:
    """Bytes that this process has had at its peak, on its device; None where nothing tells."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return _status_bytes("VmHWM") if _STATUS.exists() else None


def in_own_process(function: Callable[..., _Result], *arguments: object,
                   environ: Mapping[str, str] = _GIVE_BACK) -> _Result:
    """What ``function(*arguments)`` returns in a new process; both must be picklable.

    Args:
        function: what is called there.
        arguments: of the function.
        environ: variables of that process, beside those of this one. By default it gives freed
            tensors back to the system at once, for memory to be measured; time is measured
            without (``{}``).
    """
    before = dict(os.environ)
    os.environ.update(environ)
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            return pool.submit(function, *arguments).result()
    finally:
        for name in environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update({name: before[name] for name in environ.keys() & before.keys()})


def _status_bytes(name: str) -> int:
    line = next(x for x in _STATUS.read_text().splitlines() if x.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])
