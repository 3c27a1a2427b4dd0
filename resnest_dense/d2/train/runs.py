"""Whether a training run may begin or go on in its OUTPUT_DIR, where nothing is changed before."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.modeling import build_model
from torch import Tensor

from resnest_dense.base.runs import changed_settings, check_settings, goes_on, remove_run
from resnest_dense.d2.classes import Classes, classes_in, set_classes, write_classes
from resnest_dense.d2.train.checkpoints import BEST, checkpoints_in
from resnest_dense.errors import ResNeStError, listed
from resnest_dense.training.record import RECORD, keep_record
from resnest_dense.weights.files import read_checkpoint

__all__ = ["Done", "begin_run", "check_run", "measured_weights", "save_config"]

_CONFIG = "config.yaml"
_LOG = "metrics.json"
# What a run writes, and another one in its place would be mixed up with.
_LEFT = ("model_[0-9]*.pth", "model_final.pth", BEST, "last_checkpoint", "results.json",
         "classes.json", "events.out.tfevents.*", "not_finite_*.pth", RECORD)
# Where the metadata of a set says that its files are.
_FILES = ("json_file", "image_root", "panoptic_json", "panoptic_root", "sem_seg_root")
# Settings that decide what the network is, and those among them that do not.
_MODEL = re.compile(r"MODEL\.|INPUT\.FORMAT$")
_FREE = re.compile(r"MODEL\.(WEIGHTS|DEVICE)$|COMPILE$|CHECKPOINT_STAGES$|_TEST$")


def measured_weights(cfg: CfgNode, *, resume: bool) -> str:
    """What an evaluation measures: ``MODEL.WEIGHTS``, or the last checkpoint of the run."""
    files = checkpoints_in(cfg.OUTPUT_DIR)
    return str(files.last_whole() if resume and files.find() else cfg.MODEL.WEIGHTS)


class Done(NamedTuple):
    """What a run that goes on has behind it."""

    iterations: int = 0
    changed: str = ""  # in its config since, in words
    seed: int = -1  # that it was given, or drew


def check_run(cfg: CfgNode, *, resume: bool, overwrite: bool) -> Done:
    """Compares a run of ``cfg`` with what is in its ``OUTPUT_DIR``, where it writes nothing.

    Raises:
        ResNeStError: a new run where there is one, or a run that would go on with other classes,
            another model or other shapes, or from nothing that is whole.
    """
    files = checkpoints_in(cfg.OUTPUT_DIR)
    if not goes_on(cfg.OUTPUT_DIR, next(iter(files.find()), None), resume=resume,
                   overwrite=overwrite, key="OUTPUT_DIR"):
        return Done()
    checkpoint = files.last_whole()
    found = read_checkpoint(checkpoint)
    remedy = ("Go on with the data and the config of that run, or start anew elsewhere: without "
              f"--resume, OUTPUT_DIR another folder, MODEL.WEIGHTS {checkpoint}.")
    kept, given = classes_in(found.others, checkpoint), set_classes(cfg.DATASETS.TRAIN[0])
    if kept and given:
        kept.require_same(given, sides=(str(checkpoint), "the training data"), remedy=remedy)
    changes = _changes(cfg)
    if cfg.SEED < 0:
        changes.pop("SEED", None)  # the one that was drawn stays
    changed = check_settings(changes, _is_fixed, remedy=remedy)
    _compare_shapes(cfg, found.state, str(checkpoint), remedy)
    return Done(found.others.get("iteration", -1) + 1, changed,
                found.others.get("trainer", {}).get("seed", -1))


def save_config(cfg: CfgNode, *, replace: bool = True) -> None:
    """Writes ``config.yaml``, with which checkpoints are used, into ``OUTPUT_DIR``."""
    path = Path(cfg.OUTPUT_DIR, _CONFIG)
    if replace or not path.is_file():
        path.write_text(cfg.dump())


def begin_run(cfg: CfgNode, classes: Classes | None, *, overwrite: bool) -> None:
    """Writes what the checkpoints of a run will be used with, once nothing is left to be checked;
    with ``overwrite`` it deletes before what the last run there has left.
    """
    if overwrite:
        remove_run(Path(cfg.OUTPUT_DIR), _LEFT, keep=cfg.MODEL.WEIGHTS)
        if Path(cfg.OUTPUT_DIR, _LOG).exists():
            os.truncate(Path(cfg.OUTPUT_DIR, _LOG), 0)  # the trainer has opened it
    save_config(cfg)
    if classes:
        write_classes(cfg.OUTPUT_DIR, classes)
    sets = {name: MetadataCatalog.get(name) for name in (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST)}
    keep_record(cfg.OUTPUT_DIR, seed=cfg.SEED, config=CfgNode.load_cfg(cfg.dump()),
                weights={"MODEL.WEIGHTS": cfg.MODEL.WEIGHTS},
                data={name: [getattr(metadata, key) for key in _FILES if metadata.get(key)]
                      for name, metadata in sets.items()})


def _changes(cfg: CfgNode) -> dict[str, tuple]:
    """What ``cfg`` has otherwise than the config in its ``OUTPUT_DIR``, by key."""
    try:
        saved = CfgNode.load_cfg(Path(cfg.OUTPUT_DIR, _CONFIG).read_text())
    except Exception:  # none, or something else under its name: classes and shapes are compared
        return {}
    changes = changed_settings(saved, CfgNode.load_cfg(cfg.dump()))
    # Another version may have other keys.
    return {key: values for key, values in changes.items()
            if key != "OUTPUT_DIR" and None not in values}


def _is_fixed(key: str) -> bool:
    return bool(_MODEL.match(key)) and not _FREE.search(key)


def _compare_shapes(cfg: CfgNode, state: Mapping[str, Tensor], source: str, remedy: str) -> None:
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        own = {name: tuple(value.shape) for name, value in build_model(cfg).state_dict().items()
               if not name.endswith("num_batches_tracked")}
    there = {name: tuple(value.shape) for name, value in state.items()}
    wrong = [f"{name} {there.get(name, 'missing')} there, {shape} here"
             for name, shape in own.items() if there.get(name) != shape]
    if wrong:
        raise ResNeStError(f"{source} is of another model; {len(wrong)} weights differ: "
                           f"{listed(wrong, most=8)}. {remedy}")
