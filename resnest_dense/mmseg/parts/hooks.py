"""Hooks for a run that is stopped and resumed: as if it never was."""

from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from resnest_dense.interrupt import Interrupt
from resnest_dense.mmseg.registry import HOOKS

__all__ = ["IterationSeedHook", "SaveOnInterruptHook"]


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seeds torch anew in every iteration, so that a resumed run drops out the same values as one
    that was never stopped.
    """

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        seed = (runner.seed or 0) + runner.rank
        torch.manual_seed(seed * 1_000_003 + batch_idx)


class SaveOnInterruptHook(Hook):
    """On Ctrl-C or SIGTERM: finish the iteration, save a checkpoint, stop. A second signal stops at
    once, without saving.

    Args:
        interrupt: one that catches; ``--resume`` continues from the checkpoint.
    """

    priority = "LOWEST"  # after the hooks that still belong to the iteration

    def __init__(self, interrupt: Interrupt):
        self.interrupt = interrupt

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        if self.interrupt.name is None:
            return
        path = Path(runner.work_dir) / f"iter_{runner.iter + 1}.pth"
        runner.save_checkpoint(str(path.parent), path.name, by_epoch=False)
        if runner.rank == 0:
            # Where mmengine looks for what to resume.
            (path.parent / "last_checkpoint").write_text(str(path))
            print_log(f"Interrupted: saved {path}; --resume continues from there.", "current")
        raise KeyboardInterrupt(self.interrupt.name)
