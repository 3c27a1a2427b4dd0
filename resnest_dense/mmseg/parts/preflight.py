"""The preflight of a segmentation run: what can be known wrong before anything is learned."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.logging import MMLogger, print_log
from mmengine.runner import BaseLoop, Runner
from torch import Tensor, nn

from resnest_dense import preflight
from resnest_dense.base.findings import Finding
from resnest_dense.base.runs import class_order, require_same_classes
from resnest_dense.data.labels.check import check_labels
from resnest_dense.errors import ResNeStError, ResNeStValueError, listed
from resnest_dense.mmseg.loading import (
    checkpoint_classes,
    fit_checkpoint,
    read_input,
    reorder_classifiers,
    unwrap,
)
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
        if self._new_classifiers:
            if runner._resume or not isinstance(runner._train_loop, BaseLoop):
                raise ResNeStError("The checkpoint has another number of classes than the model: "
                                   f"{', '.join(self._new_classifiers)} would be random. Set "
                                   "num_classes of the heads as it was in training.")
        else:
            _follow_classes(runner, checkpoint_classes(checkpoint), fitted)
        checkpoint["state_dict"] = OrderedDict(fitted)
        # With it travels which file this is, and so the input that it was trained on.
        checkpoint["state_dict"]._metadata = getattr(state, "_metadata", OrderedDict())

    def before_train(self, runner: Runner) -> None:
        if self._new_classifiers:
            print_log(f"{listed(self._new_classifiers)}: not in the checkpoint with this number "
                      "of classes, trained from the start.", logger="current")
        # What a run that goes on has passed over so far stops it no more.
        faults = getattr(runner.train_dataloader, "faults", None)  # of our loader
        self._check_labels("training set", runner.train_dataloader.dataset, runner,
                           faults.allowed if faults and runner.iter else 0)
        if runner.val_loop is not None:
            learned, measured = (loader.dataset.metainfo.get("classes") or () for loader in (
                runner.train_dataloader, runner.val_dataloader))
            if learned and measured:
                require_same_classes(
                    learned, measured, sides=("the training set", "the validation set"), remedy=(
                        "Give the validation set metainfo=dict(classes=[...]) with the names of "
                        "the training set, in its order."))
            self._check_labels("validation set", runner.val_dataloader.dataset, runner)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        if data_batch and not self._looked:
            self._looked = True
            findings = _look(runner, unwrap(runner.model), data_batch["inputs"])
            preflight.log_and_raise(
                findings, all_gather_object(findings), MMLogger.get_current_instance().log,
                proceed=self.proceed, switch="custom_hooks the entry "
                'dict(type="resnest_dense.PreflightHook", proceed=True)')

    def before_test(self, runner: Runner) -> None:
        self._check_labels("test set", runner.test_dataloader.dataset, runner)

    def _check_labels(self, name: str, dataset: BaseDataset, runner: Runner,
                      passed_over: int = 0) -> None:
        if runner.rank == 0:
            _check_dataset(dataset, unwrap(runner.model), name, self.limit, passed_over)


def _follow_classes(runner: Runner, trained: Sequence[str], state: dict[str, Tensor]) -> None:
    """Puts the classifiers of a checkpoint in the order that the data of the first loop has.

    Raises:
        ResNeStValueError: other classes where nothing is to be learned, or a run is to go on.
    """
    loops = (runner._train_loop, runner._val_loop, runner._test_loop)
    loop = next((loop for loop in loops if isinstance(loop, BaseLoop)), None)
    given = getattr(loop.dataloader.dataset, "metainfo", {}).get("classes") if loop else ()
    if not trained or not given:
        return
    sides = "the checkpoint", "the data set"
    if runner._resume:
        require_same_classes(trained, given, sides=sides, remedy="Go on with the data of that run, "
                             "or start anew elsewhere with load_from.")
        return
    try:
        order = class_order(trained, given, sides=sides, remedy=(
            "Evaluate with the classes that the model was trained on; to learn others, train on "
            "them, with load_from if need be."))
    except ResNeStValueError as error:
        if loop is not loops[0]:
            raise
        print_log(f"load_from: {error} Training starts from them all the same.", logger="current")
        return
    if order is not None:
        reorder_classifiers(state, order)
        print_log("The checkpoint has the classes of the data set in another order: its outputs "
                  "are mapped by name.", logger="current")


def _check_dataset(dataset: BaseDataset, model: nn.Module, name: str, limit: int,
                   passed_over: int) -> None:
    """Logs a table of what the labels hold; a dataset that names no classes is left alone."""
    classes = dataset.metainfo.get("classes")
    if not classes:
        print_log(f"The {name} names no classes: its labels are not checked.", logger="current")
        return
    for head_name, head in model.named_modules():
        outputs = getattr(head, "num_classes", len(classes))
        if outputs != len(classes):
            raise ResNeStValueError(
                f"model.{head_name} has num_classes={outputs}, and the {name} has {len(classes)} "
                f"classes. Set model.{head_name}.num_classes={len(classes)}.")
    entries = [dataset.get_data_info(i) for i in range(len(dataset))]
    entries = [entry for entry in entries if "seg_map_path" in entry]
    first = entries[0] if entries else {}
    # A set may use some classes of its files only.
    raw = dataset.METAINFO["classes"] if first.get("label_map") else classes
    report = check_labels(
        [(entry["img_path"], entry["seg_map_path"]) for entry in entries], raw, used=classes,
        name=name, limit=limit, reduce_zero_label=bool(first.get("reduce_zero_label")))
    print_log(f"{report.table()}\n  ignored: {report.ignored:.2%} of all pixels", logger="current")
    report.excuse(("unreadable", "image-truncated"), passed_over)
    report.raise_if_wrong()


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
    parts = getattr(runner.train_loop, "parts", 1)
    findings.append(preflight.check_norms(model, images=len(images) // parts,
                                          processes=runner.world_size))
    scaling = runner.cfg.get("auto_scale_lr") or {}
    optimizer = runner.cfg.optim_wrapper.get("optimizer", {})
    scales = scaling.get("base_batch_size") and not scaling.get("enable")
    if optimizer.get("type") == "SGD" and scales:
        findings.append(preflight.check_learning_rate(
            optimizer.lr, images=len(images) * runner.world_size,
            reference=(optimizer.lr, scaling.base_batch_size), key="optim_wrapper.optimizer.lr",
            accumulation="--cfg-options accumulate={parts}", parts=parts))
    if ours and fresh and not runner.cfg.get("load_from"):
        heads = len(list(model.parameters())) - len(list(backbone.parameters()))
        loaded = (report.backbone, (0, heads)) if report else None
        findings.append(preflight.check_weights(backbone, loaded, key="model.backbone.init_cfg"))
    return findings
