"""The project's tools, run as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).parents[1] / "tools"


def run_tool(name, *arguments, processes=0):
    """Runs a tool in its own process, or by torchrun in several; what it said is in the result."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, "-W", "ignore", *(torchrun if processes else []), str(TOOLS / name),
               *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
