"""The project's tools, and how torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path

from ranks import free_port

TOOLS = Path(__file__).parents[1] / "tools"
_TORCHRUN = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run"]


def start_torchrun(name, *arguments, nodes=1, processes=1, restarts=0, log, **variables):
    """Starts a tool in that many processes on each of some "machines", which all are this one: the
    agents of torchrun, whose output and that of their processes is in the file ``log``."""
    place = ["--nnodes", str(nodes), "--master-addr", "127.0.0.1", "--master-port",
             str(free_port()), "--nproc-per-node", str(processes), "--max-restarts", str(restarts)]
    with open(log, "w") as file:
        return [subprocess.Popen(
            [*_TORCHRUN, *place, "--node-rank", str(node), str(TOOLS / name), *map(str, arguments)],
            stdout=file, stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", **variables}) for node in range(nodes)]


def end_torchrun(agents, timeout=120):
    """Exit codes of the agents, which are killed if they take longer."""
    try:
        return [agent.wait(timeout) for agent in agents]
    finally:
        for agent in agents:
            agent.kill()
