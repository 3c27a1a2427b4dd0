#!/usr/bin/env python
"""Trains as a job of SLURM, which goes on where it was when it was preempted or out of time.

    python tools/submit.py --nodes 2 --processes 8 --minutes 1440 --set slurm_partition=gpu \
        tools/train_net.py --config-file resnest50_faster_rcnn.yaml OUTPUT_DIR /disk/of/all/run
"""

import argparse
import sys

from resnest_dense.cli import run_tool
from resnest_dense.frameworks import framework_of_tool
from resnest_dense.training.processes.slurm import Job, submit


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cluster", choices=["slurm", "local"], default="slurm",
                        help="local: on this machine, to try what SLURM will be given")
    parser.add_argument("--logs", default="slurm", help="folder of submitit's logs")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="on each node; one for each GPU")
    parser.add_argument("--minutes", type=int, default=60, help="until the job is stopped and "
                        "queued again")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a "
                        "parameter of submitit's executor, such as slurm_partition=gpu; one each")
    parser.add_argument("tool", help="tools/train_net.py or tools/mmseg_train.py")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="arguments of that tool")
    return parser


def run(args: argparse.Namespace) -> None:
    job = submit(Job(framework_of_tool(args.tool).train, args.words), folder=args.logs,
                 cluster=args.cluster, nodes=args.nodes, tasks_per_node=args.processes,
                 timeout_min=args.minutes, more=args.set)
    print(f"Job {job.job_id}: {job.paths.stdout} and {job.paths.stderr}")


if __name__ == "__main__":
    sys.exit(run_tool(make_parser(), run))
