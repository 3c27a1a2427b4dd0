"""The preflight of a segmentation run: its first batch, looked at before anything is learned."""

import logging

import torch.distributed as dist
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn

from resnest_dense import nn as network
from resnest_dense import preflight
from resnest_dense.findings import Finding
from resnest_dense.mmseg.loading import turns_channels
from resnest_dense.preflight import InputSettings

__all__ = ["check_first_batch"]

_KEYS = ("model.data_preprocessor.bgr_to_rgb", "model.data_preprocessor.mean",
         "model.data_preprocessor.std")


def check_first_batch(runner: Runner, model: nn.Module, batch: dict, *, proceed: bool) -> None:
    """Logs a line each on input, norms, learning rate and weights of a run that is about to start.

    Args:
        runner: of the run.
        model: the segmentor, out of any wrapper.
        batch: as its data loader gives it.
        proceed: whether to train although something is certainly wrong.

    Raises:
        ResNeStError: something certainly is, in any of the processes.
    """
    findings = _look(runner, model, batch)
    gathered = [findings]
    if runner.world_size > 1:
        gathered = [None] * runner.world_size
        dist.all_gather_object(gathered, findings)
    preflight.log_and_raise(
        findings, gathered, _log, proceed=proceed,
        switch="custom_hooks the entry dict(type=\"resnest_dense.PreflightHook\", proceed=True)")


def _look(runner: Runner, model: nn.Module, batch: dict) -> list[Finding]:
    backbone, images = model.backbone, batch["inputs"]
    fresh = runner.iter == 0
    # The report of the weights that a ResNeSt has been initialised with.
    report = getattr(backbone, "load_report", None)
    findings = []
    preprocessor = model.data_preprocessor
    if hasattr(preprocessor, "mean"):
        turned = turns_channels(preprocessor)
        settings = InputSettings("RGB" if turned else "BGR", preprocessor.mean.flatten().tolist(),
                                 preprocessor.std.flatten().tolist(), _KEYS)
        loaded = isinstance(backbone, network.ResNeSt) and (report is not None or not fresh)
        findings.append(preflight.check_input(
            [image.flip(0) if turned else image for image in images], settings, unit_std=loaded))
    findings.append(preflight.check_norms(model, images=len(images), processes=runner.world_size))
    scaling = runner.cfg.get("auto_scale_lr") or {}
    optimizer = runner.cfg.optim_wrapper.get("optimizer", {})
    scales = scaling.get("base_batch_size") and not scaling.get("enable")
    if optimizer.get("type") == "SGD" and scales:
        findings.append(preflight.check_learning_rate(
            optimizer.lr, images=len(images) * runner.world_size,
            reference=(optimizer.lr, scaling.base_batch_size), key="optim_wrapper.optimizer.lr"))
    if fresh and not runner.cfg.get("load_from") and isinstance(backbone, network.ResNeSt):
        heads = len(list(model.parameters())) - len(list(backbone.parameters()))
        loaded = (report.backbone, (0, heads)) if report else None
        findings.append(preflight.check_weights(backbone, loaded, key="model.backbone.init_cfg"))
    return findings


def _log(line: str, concern: bool) -> None:
    print_log(line, logger="current", level=logging.WARNING if concern else logging.INFO)
