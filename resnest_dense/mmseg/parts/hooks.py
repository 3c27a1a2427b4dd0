"""Hooks that keep a run from going quietly wrong; the shipped configs have them."""

from collections import OrderedDict

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from resnest_dense.data.labels.check import check_labels
from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.mmseg.checkpoint import fit_checkpoint
from resnest_dense.mmseg.parts.preflight import check_first_batch
from resnest_dense.mmseg.registry import HOOKS

__all__ = ["IterationSeedHook", "PreflightHook", "check_dataset"]


@HOOKS.register_module()
class PreflightHook(Hook):
    """Checks before the first iteration: labels, class counts, that a checkpoint fits, and the
    first batch with the settings of the run.

    Args:
        limit: labels to read in each set, evenly spread.
        proceed: train although the first batch or its settings are certainly wrong.
    """

    def __init__(self, limit: int = 500, proceed: bool = False):
        self.limit = limit
        self.proceed = proceed
        self._looked = False
        self._new_classifiers = []

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        state = checkpoint.get("state_dict", checkpoint)
        fitted, self._new_classifiers = fit_checkpoint(state, _bare(runner.model))
        checkpoint["state_dict"] = OrderedDict(fitted)
        # With it travels which file this is, and so the input that it was trained on.
        checkpoint["state_dict"]._metadata = getattr(state, "_metadata", OrderedDict())

    def before_train(self, runner: Runner) -> None:
        if self._new_classifiers:
            print_log(f"{', '.join(self._new_classifiers)}: not in the checkpoint with this number "
                      "of classes, trained from the start.", logger="current")
        loaders = [("training set", runner.train_dataloader)]
        if runner.val_loop is not None:
            loaders.append(("validation set", runner.val_dataloader))
        for name, loader in loaders:
            self._check(name, loader.dataset, runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        if not self._looked:
            check_first_batch(runner, _bare(runner.model), data_batch, proceed=self.proceed)
            self._looked = True

    def before_val(self, runner: Runner) -> None:
        self._refuse_new_classifiers(runner)

    def before_test(self, runner: Runner) -> None:
        self._refuse_new_classifiers(runner)
        self._check("test set", runner.test_dataloader.dataset, runner)

    def _refuse_new_classifiers(self, runner):
        if self._new_classifiers and runner.iter == 0:
            raise ResNeStError(
                f"The checkpoint has another number of classes than the model: "
                f"{', '.join(self._new_classifiers)} would be random. Set num_classes of the heads "
                "as it was in training."
            )

    def _check(self, name, dataset, runner):
        if runner.rank == 0:
            check_dataset(dataset, _bare(runner.model), name=name, limit=self.limit)


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seeds torch anew in every iteration, so that a resumed run drops out the same values as one
    that was never stopped.
    """

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        seed = (runner.seed or 0) + runner.rank
        torch.manual_seed(seed * 1_000_003 + batch_idx)


def check_dataset(dataset, model: nn.Module, *, name: str, limit: int | None = None) -> None:
    """Compare a dataset of MMSegmentation, if it has classes, with its label files and with the
    heads of a model.

    Args:
        dataset: built, with ``get_data_info`` and ``metainfo``.
        model: a segmentor.
        name: of the set, for messages.
        limit: labels to read, all if None.

    Raises:
        ResNeStValueError: labels or class counts that training would go wrong with.
    """
    classes = dataset.metainfo.get("classes")
    if not classes:
        print_log(f"The {name} names no classes: its labels are not checked.", logger="current")
        return
    for head_name, head in model.named_modules():
        outputs = getattr(head, "num_classes", len(classes))
        if outputs != len(classes):
            raise ResNeStValueError(
                f"model.{head_name} has num_classes={outputs}, and the {name} has {len(classes)} "
                f"classes. Set model.{head_name}.num_classes={len(classes)}."
            )
    entries = [dataset.get_data_info(i) for i in range(len(dataset))]
    entries = [entry for entry in entries if "seg_map_path" in entry]
    first = entries[0] if entries else {}
    # A set may use some classes of its files only.
    raw = dataset.METAINFO["classes"] if first.get("label_map") else classes
    report = check_labels(
        [(entry["img_path"], entry["seg_map_path"]) for entry in entries], raw, used=classes,
        name=name, limit=limit, reduce_zero_label=bool(first.get("reduce_zero_label")),
    )
    print_log(report.table(), logger="current")
    report.raise_if_wrong()


def _bare(model: nn.Module) -> nn.Module:
    """The segmentor in a distributed wrapper or in one for test-time augmentation."""
    wrapped = is_model_wrapper(model) or not hasattr(model, "decode_head")
    return model.module if wrapped and hasattr(model, "module") else model
