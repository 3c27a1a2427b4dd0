"""What machine a figure was measured on."""

import platform
from pathlib import Path

import torch

__all__ = ["describe_machine"]


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
