"""Training of a segmentor, as ``tools/mmseg_train.py`` starts it."""

import argparse
import os
from contextlib import ExitStack
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log

from resnest_dense.base.interrupt import Interrupt
from resnest_dense.base.runs import OVERWRITE
from resnest_dense.config_errors import explained
from resnest_dense.data.own_files import add_folders
from resnest_dense.errors import ResNeStValueError
from resnest_dense.mmseg.parts.accumulation import check_accumulation
from resnest_dense.mmseg.parts.checkpoints import (
    SaveOnInterruptHook,
    ValidationMadeUpHook,
    checkpoints_in,
)
from resnest_dense.mmseg.parts.divergence import StopAtNonFiniteHook
from resnest_dense.mmseg.parts.training import IterationSeedHook
from resnest_dense.mmseg.run.settings import add_arguments, read_config, running
from resnest_dense.mmseg.run.start import Start, check_run, use_start
from resnest_dense.training.faults import faults_told
from resnest_dense.training.lock import training_in
from resnest_dense.training.processes.launch import find_launch, joined
from resnest_dense.training.processes.ranks import from_first
from resnest_dense.training.processes.watch import watched
from resnest_dense.training.record import was_begun

__all__ = ["make_parser", "run"]


def make_parser() -> argparse.ArgumentParser:
    """The arguments of MMSegmentation's own tool, and those of own data."""
    parser = argparse.ArgumentParser(description="Trains a segmentor.")
    add_arguments(parser)
    parser.add_argument("--resume", action="store_true",
                        help="go on from the latest checkpoint in the work dir")
    parser.add_argument(OVERWRITE, action="store_true", help="train although the work dir holds a "
                        "run, whose checkpoints are then deleted")
    parser.add_argument("--amp", action="store_true",
                        help="mixed precision: float16 on a GPU, bfloat16 on a CPU")
    add_folders(parser, "train")
    return parser


def run(args: argparse.Namespace) -> None:
    """Train as the parsed ``args`` of :func:`make_parser` say.

    Raises:
        ResNeStError: a config, data or checkpoint that cannot be used, before the first iteration.
    """
    cfg = read_config(args)
    check_accumulation(cfg)
    if args.amp:
        _use_amp(cfg)
    interrupt = Interrupt()
    with joined(find_launch(), cuda=torch.cuda.is_available()), ExitStack() as stack:
        start = from_first(lambda: _prepare(args, cfg, stack))
        if start.finished:
            return
        with watched():
            use_start(cfg, start)
            interrupt.catch()  # before data workers are forked, whom Ctrl-C reaches too
            try:
                with faults_told(Path(cfg.work_dir)):
                    _train(cfg, interrupt, overwrite=args.overwrite)
            finally:
                interrupt.release()


def _prepare(args: argparse.Namespace, cfg: Config, stack: ExitStack) -> Start:
    """What the run begins with; ``stack`` holds its folder."""
    if was_begun(cfg.work_dir):
        print_log("The processes were started again: the run goes on from its last checkpoint.")
        args.resume, args.overwrite = True, False
    with explained(cfg.filename):
        start = check_run(cfg, resume=args.resume, overwrite=args.overwrite)
    if not start.finished:
        # Of those too that mmengine joins later, as SLURM numbers them.
        first = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"
        stack.enter_context(training_in(cfg.work_dir, first=cfg.launcher == "none" or first))
    return start


def _train(cfg: Config, interrupt: Interrupt, *, overwrite: bool) -> None:
    with running(cfg, "train_loop", "val_loop", overwrite=overwrite) as runner:
        for hook in (IterationSeedHook(), StopAtNonFiniteHook(), SaveOnInterruptHook(interrupt),
                     ValidationMadeUpHook()):
            runner.register_hook(hook)
        if runner.rank == 0:
            checkpoints_in(cfg.work_dir).remove_parts()
        runner.train()


def _use_amp(cfg: Config) -> None:
    """Let ``cfg`` train in mixed precision, on the device that is there."""
    wrapper = cfg.optim_wrapper
    if wrapper.type == "AmpOptimWrapper":
        return
    if wrapper.type != "OptimWrapper":
        raise ResNeStValueError(
            f"optim_wrapper.type={wrapper.type!r}: --amp takes the place of 'OptimWrapper' only.")
    if torch.cuda.is_available():
        wrapper.type, wrapper.loss_scale = "AmpOptimWrapper", "dynamic"
    else:
        wrapper.type = "resnest_dense.CpuAmpOptimWrapper"
