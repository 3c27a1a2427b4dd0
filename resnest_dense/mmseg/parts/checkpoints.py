"""mmengine's checkpoints: whole files alone, of which the newest and the best are kept."""

import re
from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapperDict
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner

from resnest_dense.base.interrupt import Interrupt
from resnest_dense.training.checkpoints import Checkpoints, write_checkpoint
from resnest_dense.training.processes.ranks import agreed_signal
from resnest_dense.weights.matching import require_numbers

__all__ = ["RunCheckpointHook", "SaveOnInterruptHook", "ValidationMadeUpHook", "checkpoints_in"]

_NAMES = re.compile(r"(?:iter|epoch)_(\d+)\.pth")
_BACKEND = "resnest_dense.whole"
_METRIC = "mIoU"  # by which a model is the best, where a config names none
_VALIDATED = "validated"  # iterations at the last validation, in the state that is saved


def checkpoints_in(folder: str | Path) -> Checkpoints:
    """Those of a run, not the best ones, from which nothing goes on."""
    return Checkpoints(Path(folder), _NAMES)


@register_backend(_BACKEND, force=True)
class WholeFileBackend(LocalBackend):
    """Files that are beside their place until they are whole, with their digest."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        write_checkpoint(bytes(obj), Path(filepath))


class RunCheckpointHook(CheckpointHook):
    """mmengine's, which deletes a checkpoint only when the next one is there.

    Args:
        max_keep_ckpts: this many of the newest ones stay; -1 for all.
        save_best: the metric of the best one.
        options: of mmengine's hook.
    """

    def __init__(self, *, max_keep_ckpts: int = 3, save_best: Any = None, **options: Any):
        options.setdefault("backend_args", dict(backend=_BACKEND))
        super().__init__(save_best=save_best or _METRIC, **options)
        self._keep = max_keep_ckpts
        self._by_default = save_best is None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        require_numbers(checkpoint["state_dict"], "No checkpoint was written: the model")

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        path = Path(self.out_dir, self.filename_tmpl.format(step))
        self.last_ckpt = str(path)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        runner.save_checkpoint(
            str(path.parent), path.name, self.file_client_args, save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch,
            backend_args=self.backend_args, **self.args)
        if runner.rank == 0:
            checkpoints_in(runner.work_dir).note_last(path, str(path))
            checkpoints_in(path.parent).keep_newest(self._keep, path)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if self._by_default and _METRIC not in metrics:
            return
        name = "best_ckpt_path" if len(self.key_indicators) == 1 else "best_ckpt_path_dict"
        before = getattr(self, name)
        # mmengine would delete the best so far before it writes another one.
        setattr(self, name, None if not isinstance(before, dict) else dict.fromkeys(before))
        super()._save_best_checkpoint(runner, metrics)
        now = getattr(self, name)
        if isinstance(now, dict):
            setattr(self, name, {key: new or before[key] for key, new in now.items()})
            old = {before[key] for key, new in now.items() if new}
        else:
            setattr(self, name, now or before)
            old = {before} if now else set()
        kept = getattr(self, name)
        for path in old - {None, *(kept.values() if isinstance(kept, dict) else [kept])}:
            if runner.rank == 0:
                Path(path).unlink(missing_ok=True)


class SaveOnInterruptHook(Hook):
    """On Ctrl-C or SIGTERM, which ``interrupt`` catches, in any process: finish the iteration, save
    a checkpoint, from which ``--resume`` continues, stop. A second signal stops at once, without
    saving.
    """

    priority = "LOWEST"  # after the hooks that still belong to the iteration

    def __init__(self, interrupt: Interrupt):
        self.interrupt = interrupt

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        wrapper = runner.optim_wrapper
        # With mmengine's accumulative_counts several iterations are a step: not between them.
        if not (isinstance(wrapper, OptimWrapperDict) or wrapper.should_update()):
            return
        name = agreed_signal(self.interrupt.name)
        if name is None:
            return
        path = Path(runner.work_dir) / f"iter_{runner.iter + 1}.pth"
        runner.save_checkpoint(str(path.parent), path.name, by_epoch=False,
                               backend_args=dict(backend=_BACKEND))
        if runner.rank == 0:
            checkpoints_in(path.parent).note_last(path, str(path))
            print_log(f"Interrupted: saved {path}; --resume continues from there.", "current")
        raise KeyboardInterrupt(name)


class ValidationMadeUpHook(Hook):
    """Makes up for a validation that a kill has cut short: the checkpoint that a run goes on from
    is written before it."""

    priority = "LOWEST"

    def before_train(self, runner: Runner) -> None:
        loop, done = runner.train_loop, runner.iter
        if (isinstance(runner.val_loop, BaseLoop) and 0 < done < loop.max_iters
                and done >= loop.val_begin and done % loop.val_interval == 0
                and isinstance(loop, IterBasedTrainLoop)
                and runner.message_hub.runtime_info.get(_VALIDATED, 0) < done):
            runner.val_loop.run()

    def before_val_epoch(self, runner: Runner) -> None:
        runner.message_hub.update_info(_VALIDATED, runner.iter)
