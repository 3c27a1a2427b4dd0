"""Starts ``tools/train_net.py`` as a user does, small."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

from forks import call_in_fork

TRAIN_NET = Path(__file__).parents[1] / "tools/train_net.py"
SMALL = ["SOLVER.IMS_PER_BATCH", "2", "TEST.EVAL_PERIOD", "0", "INPUT.MIN_SIZE_TRAIN", "(64,)",
         "INPUT.MIN_SIZE_TEST", "64", "MODEL.RPN.POST_NMS_TOPK_TEST", "10"]


def start_train_net(*arguments, cwd, **options):
    """The tool in a process of its own, as a user starts it."""
    command = [sys.executable, str(TRAIN_NET), *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, **options)


def fork_train_net(*arguments, cwd):
    """Exit code and output of the tool in a process that is forked, for which nothing need be
    imported again."""
    def run():
        os.chdir(cwd)
        sys.argv = [str(TRAIN_NET), *map(str, arguments)]
        runpy.run_path(str(TRAIN_NET), run_name="__main__")

    return call_in_fork(run)
