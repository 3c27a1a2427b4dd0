"""The processes that work together: detectron2's launcher starts them, or another one has."""

import argparse
import socket
from collections.abc import Callable
from typing import Any

import torch
from detectron2.engine import launch
from detectron2.utils import comm
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.training.processes.launch import Launch, find_launch

__all__ = ["find_started", "start_processes"]

_OURS = f"{ResNeStError.__module__}."


def find_started(args: argparse.Namespace) -> Launch | None:
    """This process among those that torchrun or submitit has started; None where neither has.

    Raises:
        ResNeStError: the arguments of the tool start processes too.
    """
    started = find_launch()
    if started and args.num_gpus * args.num_machines > 1:
        raise ResNeStValueError("--num-gpus and --num-machines start processes, and torchrun or "
                                "submitit has done so already: leave them out.")
    return started


def start_processes(work: Callable[[argparse.Namespace], Any], args: argparse.Namespace,
                    started: Launch | None) -> None:
    """Calls ``work`` in each process.

    Args:
        work: gets the arguments.
        args: of the tool; what they say of processes and machines is for detectron2's launcher.
        started: what :func:`find_started` gives; those processes have joined.

    Raises:
        ResNeStError: what a process raised, or the name of one that died.
    """
    if started:
        comm.create_local_process_group(started.local_size)
        work(args)
        return
    if torch.cuda.is_available() and args.num_gpus > torch.cuda.device_count():
        raise ResNeStValueError(
            f"--num-gpus {args.num_gpus}: this machine has {torch.cuda.device_count()}.")
    try:
        launch(work, args.num_gpus, num_machines=args.num_machines,
               machine_rank=args.machine_rank, dist_url=args.dist_url, args=(args,))
    except ProcessRaisedException as error:
        # What a process raised comes here as the text of its traceback.
        if _OURS not in str(error):
            raise
        raise ResNeStError(str(error).rpartition(_OURS)[2].partition(": ")[2].strip()) from error
    except ProcessExitedException as error:
        number = args.machine_rank * args.num_gpus + error.error_index
        how = (f"has ended by {error.signal_name}" if error.signal_name else
               f"has ended with exit code {error.exit_code}; what it said is above")
        raise ResNeStError(f"Rank {number} (process {error.error_pid} on {socket.gethostname()}) "
                           f"{how}.") from error
