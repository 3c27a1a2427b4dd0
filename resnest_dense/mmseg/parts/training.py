"""What mmengine's training lacks: runs that are resumed as if never stopped, and CPUs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from resnest_dense.base.runs import remove_run
from resnest_dense.mmseg.registry import HOOKS, MODEL_WRAPPERS, OPTIM_WRAPPERS
from resnest_dense.nn.sync_norm import replace_sync_batch_norms
from resnest_dense.training.processes.watch import current_watch
from resnest_dense.training.randomness import seed_all
from resnest_dense.training.record import RECORD, keep_record

__all__ = ["BeginRunHook", "CpuAmpOptimWrapper", "CpuDistributedDataParallel", "IterationSeedHook",
           "WatchHook"]


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seeds every iteration anew, so that a resumed run drops out the same values as one that was
    never stopped.
    """

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        seed_all(runner.seed or 0, runner.rank, runner.iter)


class WatchHook(Hook):
    """Tells the watch of this process that a step has ended, before other hooks do what takes its
    time, and where an evaluation is."""

    priority = "VERY_HIGH"

    def _before_epoch(self, runner: Runner, mode: str = "train") -> None:
        self._tell(runner, mode, done=0)

    def _after_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                    outputs: Any = None, mode: str = "train") -> None:
        self._tell(runner, mode, done=batch_idx + 1)

    def _tell(self, runner: Runner, mode: str, *, done: int) -> None:
        if mode == "train":
            current_watch().end()
        else:
            current_watch().evaluates(done, len(getattr(runner, f"{mode}_dataloader")))


class BeginRunHook(Hook):
    """Keeps the config of a run in its work dir once the first batch has passed its checks; with
    ``overwrite`` it deletes before what the last run there has left.
    """

    priority = "LOWEST"  # after the checks

    def __init__(self, overwrite: bool = False):
        self.overwrite = overwrite
        self._begun = False

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        if self._begun or runner.rank != 0:
            return
        self._begun = True
        folder, config = Path(runner.work_dir), Path(runner.cfg.filename or "").name
        left = ("iter_*.pth", "epoch_*.pth", "best_*.pth", "last_checkpoint", "not_finite_*.pth",
                RECORD)
        remove_run(folder, [*(left if self.overwrite else ()), *([config] if config else [])],
                   keep=runner.cfg.get("load_from") or "")
        runner.dump_config()
        sets = {"train": runner.train_dataloader}
        if runner.val_loop is not None:
            sets["val"] = runner.val_dataloader
        start = runner.cfg.model.get("backbone", {}).get("init_cfg") or {}
        keep_record(folder, seed=runner.seed, config=runner.cfg.to_dict(),
                    weights={"load_from": runner.cfg.get("load_from"),
                             "model.backbone.init_cfg.checkpoint": start.get("checkpoint")},
                    data={name: _folders_of(loader.dataset) for name, loader in sets.items()})


def _folders_of(dataset: Any) -> list[Path]:
    """The folders that the files of a data set are in."""
    entries = map(dataset.get_data_info, range(len(dataset)))
    return sorted({Path(entry[key]).parent for entry in entries
                   for key in ("img_path", "seg_map_path") if entry.get(key)})


@MODEL_WRAPPERS.register_module()
class CpuDistributedDataParallel(MMDistributedDataParallel):
    """mmengine's wrapper for a model on the CPU, its batch norms really synchronised; the GPU that
    mmengine's runner passes is not used.
    """

    def __init__(self, module: nn.Module, device_ids: list[int] | None = None,
                 find_unused_parameters: bool = False):
        super().__init__(replace_sync_batch_norms(module), broadcast_buffers=False,
                         find_unused_parameters=find_unused_parameters)


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Mixed precision on the CPU: forward in bfloat16, whose range needs no loss scaling."""

    @contextlib.contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast("cpu", torch.bfloat16):
            yield
