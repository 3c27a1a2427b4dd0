"""Whether a training run may begin or go on in its work dir, where nothing is changed before."""

import ast
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader

from resnest_dense.base.runs import (
    changed_settings,
    check_settings,
    goes_on,
    require_same_classes,
)
from resnest_dense.errors import ResNeStError
from resnest_dense.mmseg.loading import checkpoint_classes, fit_checkpoint
from resnest_dense.mmseg.parts.checkpoints import checkpoints_in
from resnest_dense.training.processes.ranks import agreed_checkpoint, together

__all__ = ["Start", "check_run", "use_start"]

_OF_A_START = ("resume", "load_from", "launcher", "work_dir", "custom_hooks")
_FREE = ("init_cfg", "pretrained", "with_cp", "test_cfg")  # of a model: make it no other one


class Start(NamedTuple):
    """How a run begins."""

    checkpoint: Path | None = None  # to go on from
    seed: int | None = None  # of the run so far
    finished: bool = False


def check_run(cfg: Config, *, resume: bool, overwrite: bool) -> Start:
    """Compares a run of ``cfg`` with what is in its work dir, where it writes nothing.

    Raises:
        ResNeStError: a new run where there is one, or a run that would go on with other classes or
            another model.
    """
    files = checkpoints_in(cfg.work_dir)
    if not goes_on(cfg.work_dir, next(iter(files.find()), None), resume=resume,
                   overwrite=overwrite, key="--work-dir"):
        return Start()
    checkpoint = files.last_whole()
    remedy = ("Go on with the data and the config of that run, or start anew elsewhere: without "
              f"--resume, --work-dir another folder, --cfg-options load_from={checkpoint}.")
    content = CheckpointLoader.load_checkpoint(str(checkpoint), map_location="cpu")
    init_default_scope(cfg.get("default_scope") or "mmseg")
    kept = checkpoint_classes(content)
    given = getattr(DATASETS.build(cfg.train_dataloader.dataset), "metainfo", {}).get("classes")
    if kept and given:
        require_same_classes(kept, given, sides=(str(checkpoint), "the training data"),
                             remedy=remedy)
    meta = content.get("meta", {})
    changed = check_settings(
        _changes(meta.get("cfg", ""), cfg.pretty_text),
        lambda key: key.startswith("model.") and not {*key.split(".")} & {*_FREE}, remedy=remedy)
    if changed:
        print_log(f"--resume: the config has changed since: {changed}.")
    _compare_shapes(cfg, content, remedy, source=checkpoint)
    seed = meta.get("seed")
    return Start(checkpoint, seed if isinstance(seed, int) else None, _is_finished(cfg, meta))


def use_start(cfg: Config, start: Start) -> None:
    """Points ``cfg`` at what the run begins with; all processes must call it.

    Raises:
        ResNeStError: they would go on from different checkpoints.
    """
    cfg.resume = start.checkpoint is not None
    if not cfg.resume:
        return
    cfg.load_from = str(agreed_checkpoint(checkpoints_in(cfg.work_dir)) if together()
                        else start.checkpoint)
    if start.seed is not None:
        # mmengine would take it once the loader has the order of another one.
        cfg.randomness = {**(cfg.get("randomness") or {}), "seed": start.seed}


def _changes(kept: str, given: str) -> dict[str, tuple[Any, Any]]:
    """What differs between the texts of two configs; nothing where one is not known."""
    old, new = _read_settings(kept), _read_settings(given)
    return {key: values for key, values in changed_settings(old, new).items()
            if key.split(".")[0] not in _OF_A_START} if old and new else {}


def _read_settings(text: str) -> dict[str, Any]:
    """The settings in the text of a config that mmengine has written; nothing in it is run."""
    try:
        return {statement.targets[0].id: _value(statement.value)  # type: ignore[attr-defined]
                for statement in ast.parse(text).body if isinstance(statement, ast.Assign)}
    except (SyntaxError, ValueError, AttributeError):
        return {}  # a config that is more than plain data is compared by its classes and shapes


def _value(node: ast.AST) -> Any:
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict":
        return {entry.arg: _value(entry.value) for entry in node.keywords}
    if isinstance(node, ast.Dict):
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values) if key}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(entry) for entry in node.elts]
    return ast.literal_eval(node)


def _compare_shapes(cfg: Config, content: dict, remedy: str, *, source: Path) -> None:
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
    try:
        unfit = fit_checkpoint(content.get("state_dict", content), model)[1]
    except ResNeStError as error:
        raise ResNeStError(f"{source}: {error} {remedy}") from error
    if unfit:
        raise ResNeStError(f"{source} has another number of classes than the config: "
                           f"{', '.join(unfit)}. {remedy}")


def _is_finished(cfg: Config, meta: dict) -> bool:
    for unit, limit in (("iter", "max_iters"), ("epoch", "max_epochs")):
        wanted = (cfg.get("train_cfg") or {}).get(limit)
        if wanted and meta.get(unit, 0) >= wanted:
            print_log(f"The run in {cfg.work_dir} is finished: {meta[unit]} of train_cfg.{limit}="
                      f"{wanted} are done. Raise that to train on; mmseg_test.py measures it.")
            return True
    return False
