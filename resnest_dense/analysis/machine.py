"""What machine a figure was measured on."""

import platform
from pathlib import Path

import torch

from resnest_dense.errors import ResNeStValueError, near

__all__ = ["describe_machine", "pick_device"]


def pick_device(name: str | None, *, where: str = "--device") -> str:
    """The device called ``name``; a GPU if there is one, when None.

    Args:
        name: such as "cpu" or "cuda:1".
        where: what named it, for the message.

    Raises:
        ResNeStValueError: there is no such device here.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name is None:
        return "cuda" if count else "cpu"
    try:
        device = torch.device(name)
        found = device.index or 0 if device.type == "cuda" else -1
        if found >= count:
            raise RuntimeError
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        here = ["cpu", *(f"cuda:{number}" for number in range(count))]
        raise ResNeStValueError(f"{where} {name}: there is no such device here. "
                                f"{near(name, here)}") from error
    return name


def describe_machine() -> str:
    """Processor, threads and versions in one line."""
    device = f"{torch.get_num_threads()} threads of {_processor()}"
    if torch.cuda.is_available():
        device += f", {torch.cuda.get_device_name()}"
    return f"{device}; Python {platform.python_version()}, torch {torch.__version__}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
