"""The preflight of a segmentation run: what can be known wrong before anything is learned."""

import logging
from collections import OrderedDict
from typing import Any

import torch.distributed as dist
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor

from resnest_dense import preflight
from resnest_dense.errors import ResNeStError
from resnest_dense.findings import Finding
from resnest_dense.mmseg.loading import fit_checkpoint, read_input, unwrap
from resnest_dense.mmseg.parts.label_check import check_dataset
from resnest_dense.mmseg.registry import HOOKS
from resnest_dense.nn import ResNeSt

__all__ = ["PreflightHook"]


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
        self._new_classifiers: list[str] = []

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        state = checkpoint.get("state_dict", checkpoint)
        fitted, self._new_classifiers = fit_checkpoint(state, unwrap(runner.model))
        checkpoint["state_dict"] = OrderedDict(fitted)
        # With it travels which file this is, and so the input that it was trained on.
        checkpoint["state_dict"]._metadata = getattr(state, "_metadata", OrderedDict())

    def before_train(self, runner: Runner) -> None:
        if self._new_classifiers:
            print_log(f"{', '.join(self._new_classifiers)}: not in the checkpoint with this number "
                      "of classes, trained from the start.", logger="current")
        self._check_labels("training set", runner.train_dataloader.dataset, runner)
        if runner.val_loop is not None:
            self._check_labels("validation set", runner.val_dataloader.dataset, runner)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        if data_batch and not self._looked:
            _check_first_batch(runner, data_batch["inputs"], proceed=self.proceed)
            self._looked = True

    def before_val(self, runner: Runner) -> None:
        self._refuse_new_classifiers(runner)

    def before_test(self, runner: Runner) -> None:
        self._refuse_new_classifiers(runner)
        self._check_labels("test set", runner.test_dataloader.dataset, runner)

    def _refuse_new_classifiers(self, runner: Runner) -> None:
        if self._new_classifiers and runner.iter == 0:
            raise ResNeStError(
                f"The checkpoint has another number of classes than the model: "
                f"{', '.join(self._new_classifiers)} would be random. Set num_classes of the heads "
                "as it was in training."
            )

    def _check_labels(self, name: str, dataset: BaseDataset, runner: Runner) -> None:
        if runner.rank == 0:
            check_dataset(dataset, unwrap(runner.model), name=name, limit=self.limit)


def _check_first_batch(runner: Runner, images: list[Tensor], *, proceed: bool) -> None:
    """Log a line each on input, norms, rate and weights; an error in any process stops all."""
    findings = _look(runner, unwrap(runner.model), images)
    gathered = [findings] * runner.world_size
    if runner.world_size > 1:
        dist.all_gather_object(gathered, findings)
    preflight.log_and_raise(
        findings, gathered, _log, proceed=proceed,
        switch="custom_hooks the entry dict(type=\"resnest_dense.PreflightHook\", proceed=True)")


def _look(runner: Runner, model: Any, images: list[Tensor]) -> list[Finding]:
    backbone = model.backbone
    ours, fresh = isinstance(backbone, ResNeSt), runner.iter == 0
    # The report of the weights that a ResNeSt has been initialised with.
    report = getattr(backbone, "load_report", None)
    findings = []
    if settings := read_input(model):
        turned = settings.order == "RGB"
        findings.append(preflight.check_input(
            [image.flip(0) if turned else image for image in images], settings,
            unit_std=ours and (report is not None or not fresh)))
    findings.append(preflight.check_norms(model, images=len(images), processes=runner.world_size))
    scaling = runner.cfg.get("auto_scale_lr") or {}
    optimizer = runner.cfg.optim_wrapper.get("optimizer", {})
    scales = scaling.get("base_batch_size") and not scaling.get("enable")
    if optimizer.get("type") == "SGD" and scales:
        findings.append(preflight.check_learning_rate(
            optimizer.lr, images=len(images) * runner.world_size,
            reference=(optimizer.lr, scaling.base_batch_size), key="optim_wrapper.optimizer.lr"))
    if ours and fresh and not runner.cfg.get("load_from"):
        heads = len(list(model.parameters())) - len(list(backbone.parameters()))
        loaded = (report.backbone, (0, heads)) if report else None
        findings.append(preflight.check_weights(backbone, loaded, key="model.backbone.init_cfg"))
    return findings


def _log(line: str, concern: bool) -> None:
    print_log(line, logger="current", level=logging.WARNING if concern else logging.INFO)
