"""A config as the command line means it: found by name, overridden, with own data put in."""

import argparse
import difflib
import inspect
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import BaseLoop, Runner

from resnest_dense.config_errors import explained
from resnest_dense.data.labels.folder import read_classes
from resnest_dense.data.own_files import add_classes, add_folders
from resnest_dense.errors import ResNeStError, ResNeStValueError, near
from resnest_dense.mmseg.config import load_config
from resnest_dense.mmseg.parts.accumulation import AccumulatingTrainLoop
from resnest_dense.mmseg.parts.checkpoints import RunCheckpointHook
from resnest_dense.mmseg.parts.training import BeginRunHook, WatchHook
from resnest_dense.mmseg.run.named import FAULTS_ALLOWED, NAMED, use_named
from resnest_dense.mmseg.run.order import OrderedLoader
from resnest_dense.training.processes.launch import find_launch
from resnest_dense.training.processes.ranks import together

__all__ = ["add_arguments", "build_runner", "read_config", "running"]

_PREFLIGHT = "resnest_dense.PreflightHook"
_RUNNER_KEYS = tuple(inspect.signature(Runner.__init__).parameters)[1:]
# What the frameworks read from a config beside the runner's own arguments.
_OTHER_KEYS = ("custom_imports", "tta_model", "tta_pipeline", "find_unused_parameters", "sync_bn",
               "compile", "model_wrapper_cfg", "activation_checkpointing", "efficient_conv_bn_eval")


class _Settings(DictAction):
    """mmengine's reader of KEY=VALUE words, which fails on others in its own code."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: Any, option_string: str | None = None) -> None:
        for number, word in enumerate(values):
            if "=" not in word:
                pair = f"{word}={values[number + 1]}" if number + 1 < len(values) else f"{word}=1"
                raise ResNeStValueError(f"--cfg-options {word}: settings are KEY=VALUE, as one "
                                        f"word; write {pair}.")
            try:
                super().__call__(parser, namespace, [word], option_string)
            except (AssertionError, ValueError, RecursionError) as error:
                raise ResNeStValueError(f"--cfg-options {word}: {error}; write lists as "
                                        'KEY="[1,2]" and tuples as KEY="(1,2)".') from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that training and testing share, named as in MMSegmentation's tools."""
    parser.add_argument("config", help="path of a config, or name of a shipped one")
    parser.add_argument("--work-dir", help="folder of logs and checkpoints "
                        "(default: work_dirs/ and the config's name)")
    parser.add_argument("--cfg-options", nargs="+", action=_Settings, metavar="KEY=VALUE",
                        help="settings to override, such as optim_wrapper.optimizer.lr=0.02, "
                        f"or of whole pipelines: {', '.join(NAMED)}")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none",
                        help="how several processes are started; not needed under torchrun")
    add_folders(parser, "val")
    add_classes(parser)


def read_config(args: argparse.Namespace) -> Config:
    """The config that the parsed ``args`` of :func:`add_arguments` describe.

    Raises:
        ResNeStValueError: no such config, a key that nothing reads, incomplete own data.
    """
    cfg = load_config(args.config)
    _refuse_unknown_keys(cfg, args.cfg_options or ())
    with explained(cfg.filename):
        _use_arguments(cfg, args)
    return cfg


def _use_arguments(cfg: Config, args: argparse.Namespace) -> None:
    train, val = getattr(args, "train", None), args.val
    if train or val or args.classes:
        if not (args.classes and val):
            raise ResNeStValueError(
                "Own data needs --classes and --val, to train on it --train too.")
        _use_folders(cfg, args, train)
    options = args.cfg_options or {}
    use_named(cfg, {key: value for key, value in options.items() if key in NAMED})
    for key, value in options.items():
        if key in NAMED:
            continue
        with explained(f"--cfg-options {key}={value}"):
            cfg.merge_from_dict({key: value})
    hooks = cfg.get("custom_hooks") or []
    if not any(hook["type"] == _PREFLIGHT for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type=_PREFLIGHT)]
    launch = find_launch()
    if launch and args.launcher not in ("none", "pytorch"):
        raise ResNeStValueError(f"--launcher {args.launcher}: torchrun or submitit has started "
                                "this process already; leave it out.")
    cfg.launcher = "pytorch" if launch else args.launcher
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or str(
        Path("work_dirs", Path(cfg.filename).stem))


def _use_folders(cfg: Config, args: argparse.Namespace,
                 train: Sequence[Sequence[str]] | None) -> None:
    """Put own data into ``cfg``: its datasets, and the class count of its heads."""
    listed = read_classes(args.classes)
    for name, pairs in (("train", train), ("val", [args.val]), ("test", [args.val])):
        if pairs is None:
            continue
        images, labels = pairs[0] if len(pairs) == 1 else zip(*pairs)
        loader = cfg[f"{name}_dataloader"]
        loader.dataset = dict(
            type="resnest_dense.FolderDataset", images=images, labels=labels,
            classes=listed.names, palette=listed.palette,
            reduce_zero_label=args.reduce_zero_label, pipeline=loader.dataset.pipeline)
    pipelines = [cfg[f"{name}_dataloader"].dataset.pipeline for name in ("train", "val", "test")]
    for pipeline in [*pipelines, cfg.get("tta_pipeline", [])]:
        _follow_the_dataset(pipeline)
    for head in (cfg.model.decode_head, cfg.model.get("auxiliary_head") or []):
        for part in head if isinstance(head, list) else [head]:
            part.num_classes = len(listed.names)


class _Runner(Runner):
    """mmengine's, which leaves the config of another run in the work dir alone, and goes on with
    one as if it had never stopped."""

    def dump_config(self) -> None:
        if not Path(self.work_dir, Path(self.cfg.filename or "").name).is_file():
            super().dump_config()

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        parts = self.cfg.get("accumulate", 1)
        if isinstance(loop, dict) and isinstance(loaded := vars(self)["_train_dataloader"], dict):
            if parts > 1:
                loaded = {**loaded, "batch_size": parts * loaded["batch_size"]}
            by_epoch = loop.get("by_epoch", loop.get("type") == "EpochBasedTrainLoop")
            loader = self.build_dataloader(
                loaded, seed=self.seed,
                diff_rank_seed=self._randomness_cfg.get("diff_rank_seed", False))
            self._train_dataloader = OrderedLoader(
                loader, lambda: (self.iter, self.epoch), by_epoch=by_epoch, seed=self.seed,
                rank=self.rank, allowed=self.cfg.get("faults_allowed", FAULTS_ALLOWED))
        if parts > 1 and isinstance(loop, dict):
            options = {key: value for key, value in loop.items() if key not in
                       ("type", "by_epoch", "_scope_")}
            return AccumulatingTrainLoop(self, self._train_dataloader, parts=parts, **options)
        return super().build_train_loop(loop)

    def register_hook(self, hook: Hook | dict, priority: Any = None) -> None:
        if isinstance(hook, dict) and hook.get("type") == "CheckpointHook":
            priority = priority or hook.get("priority")
            hook = RunCheckpointHook(**{key: value for key, value in hook.items()
                                        if key not in ("type", "priority", "_scope_")})
        super().register_hook(hook, priority)


def build_runner(cfg: Config, *loops: str, overwrite: bool = False) -> Runner:
    """mmengine's runner of what :func:`read_config` returns, with those of "train_loop", "val_loop"
    and "test_loop" that are named; on a machine without a GPU it runs in several processes too.
    With ``overwrite``, training deletes the run that is in the work dir.

    Raises:
        ResNeStError: a setting that its class does not take, or a data set that is not there.
    """
    if cfg.launcher != "none" and not torch.cuda.is_available():
        if not together():  # mmengine would set a CUDA device
            torch.distributed.init_process_group("gloo")
        cfg.model_wrapper_cfg = dict(type="resnest_dense.CpuDistributedDataParallel")
    with explained(cfg.filename):
        try:
            runner = _Runner.from_cfg(cfg)
            runner.register_hook(WatchHook())
            # What is built here names its unknown settings before the first iteration.
            for loop in loops:
                getattr(runner, loop)
            if "train_loop" in loops:
                runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
                scales = (runner.auto_scale_lr or {}).get("enable")  # mmengine does that before
                if runner.param_schedulers is not None and not scales:
                    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
                runner.register_hook(BeginRunHook(overwrite))
        except FileNotFoundError as error:
            raise ResNeStError(
                f"{cfg.filename}: {error}. Put the data set there, or name its folder: data_root "
                "of the data sets in the config, --data of evaluate-published.") from error
    return runner


@contextmanager
def running(cfg: Config, *loops: str, overwrite: bool = False) -> Iterator[Runner]:
    """:func:`build_runner`'s, and after it nothing of what mmengine keeps by name until a process
    ends: the next run, in the same second, would write into the files of this one."""
    runner = build_runner(cfg, *loops, overwrite=overwrite)
    try:
        yield runner
    finally:
        for kind in (MMLogger, MessageHub, DefaultScope):
            kind._instance_dict.pop(runner.experiment_name, None)
        type(runner.visualizer)._instance_dict.pop(runner.visualizer.instance_name, None)
        for handler in list(runner.logger.handlers):
            if isinstance(handler, logging.FileHandler):
                runner.logger.removeHandler(handler)
                handler.close()


def _refuse_unknown_keys(cfg: Config, options: Iterable[str]) -> None:
    """``options``: dotted keys that the command line overrides."""
    for key in cfg:
        # A config may have helper variables of any name; one that almost is a setting is a slip.
        close = difflib.get_close_matches(key, (*_RUNNER_KEYS, "custom_imports"), n=1, cutoff=0.85)
        if close and close[0] != key:
            raise ResNeStValueError(
                f"{cfg.filename}: nothing reads {key!r}. Did you mean {close[0]!r}?")
    for key in options:
        top = key.split(".")[0]
        if top not in _RUNNER_KEYS + _OTHER_KEYS and key not in NAMED:
            why = ("has no effect: it sets a helper variable of the config, not what was made of it"
                   if top in cfg else "is not known")
            raise ResNeStValueError(
                f"{key!r} in --cfg-options {why}. "
                f"{near(top, sorted((*_RUNNER_KEYS, *_OTHER_KEYS, *NAMED)))}")


def _follow_the_dataset(steps: Iterable[dict | list]) -> None:
    """Let every step that loads labels take ``reduce_zero_label`` from the dataset."""
    for step in steps:
        if isinstance(step, list):
            _follow_the_dataset(step)
        elif step["type"] == "LoadAnnotations":
            step.pop("reduce_zero_label", None)
        elif "transforms" in step:
            _follow_the_dataset(step["transforms"])
