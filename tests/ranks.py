"""Processes that train together, forked so that they have all that is imported."""

import multiprocessing
import os
import socket
import sys
from contextlib import closing

CONTEXT = multiprocessing.get_context("fork")


def free_port():
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def environment(rank, size, port):
    """What torchrun says to a process."""
    return {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size),
            "LOCAL_WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


class Ranks:
    """Processes that each call ``work`` with their rank; what they print is in a file each.

    Args:
        work: in each process; gets its rank.
        folder: of the files.
        size: number of processes.
        variables: more of the environment.
    """

    def __init__(self, work, folder, *, size=2, **variables):
        port = free_port()
        self.logs = [folder / f"rank{rank}.txt" for rank in range(size)]
        self.processes = []
        for rank, log in enumerate(self.logs):
            variables_of_rank = {**variables, **environment(rank, size, port)}
            self.processes.append(CONTEXT.Process(
                target=_run, args=(work, rank, log, variables_of_rank), daemon=False))
            self.processes[-1].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.join()

    def pid(self, rank):
        return self.processes[rank].pid

    def said(self, rank):
        return self.logs[rank].read_text() if self.logs[rank].exists() else ""

    def end(self, *ranks, seconds=240):
        """Exit codes of those ranks, or all, once they have ended."""
        chosen = [self.processes[rank] for rank in ranks] if ranks else self.processes
        for process in chosen:
            process.join(seconds)
        return [process.exitcode for process in chosen]


def _run(work, rank, log, variables):
    os.environ.update(variables)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout = open(1, "w", buffering=1, closefd=False)
    sys.stderr = open(2, "w", buffering=1, closefd=False)
    import torch

    torch.set_num_threads(1)
    try:
        work(rank)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(1)
    os._exit(0)
