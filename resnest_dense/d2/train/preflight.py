"""The preflight of a detection run: its first batch, looked at before anything is learned."""

import itertools
import logging
from typing import Any

from detectron2.engine import DefaultTrainer, SimpleTrainer
from detectron2.utils import comm

from resnest_dense import preflight
from resnest_dense.findings import Finding
from resnest_dense.nn import ResNeSt
from resnest_dense.preflight import InputSettings
from resnest_dense.weights import LoadReport
from resnest_dense.weights.matching import bare_model

__all__ = ["IGNORE_PREFLIGHT", "check_first_batch", "peek_batch"]

IGNORE_PREFLIGHT = "--ignore-preflight"
# Of detectron2's own configs and the paper's, for 16 images (docs/recipes.md 2.1).
_RATE, _RETINANET_RATE, _IMAGES = 0.02, 0.01, 16

_logger = logging.getLogger(__name__)


def check_first_batch(trainer: DefaultTrainer, report: LoadReport | None, *,
                      resumed: bool, proceed: bool = False) -> None:
    """Logs a line each on input, norms, learning rate and weights of a run that is about to start.

    The batch is not lost: training begins with it.

    Args:
        trainer: built, its weights loaded.
        report: of the weights that it starts from; None for none.
        resumed: it goes on from a checkpoint of its own.
        proceed: train although something is certainly wrong.

    Raises:
        ResNeStError: something certainly is, in any of the processes.
    """
    if trainer.start_iter >= trainer.max_iter:
        return
    findings = _look(trainer, report, resumed)
    preflight.log_and_raise(findings, comm.all_gather(findings), _logger.log,
                            switch=IGNORE_PREFLIGHT, proceed=proceed)


def _look(trainer: DefaultTrainer, report: LoadReport | None, resumed: bool) -> list[Finding]:
    cfg = trainer.cfg
    model: Any = bare_model(trainer.model)
    batch = peek_batch(trainer._trainer)
    backbone = getattr(model.backbone, "bottom_up", model.backbone)
    unit_std = isinstance(backbone, ResNeSt) and (report is not None or resumed)
    settings = InputSettings(cfg.INPUT.FORMAT, cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD,
                             ("INPUT.FORMAT", "MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD"))
    rate = _RETINANET_RATE if cfg.MODEL.META_ARCHITECTURE == "RetinaNet" else _RATE
    findings = [
        preflight.check_input([entry["image"] for entry in batch], settings, unit_std=unit_std),
        preflight.check_norms(model, images=len(batch), processes=comm.get_world_size()),
        preflight.check_learning_rate(cfg.SOLVER.BASE_LR, images=cfg.SOLVER.IMS_PER_BATCH,
                                      reference=(rate, _IMAGES), key="SOLVER.BASE_LR"),
    ]
    if not resumed:
        loaded = (report.backbone, report.heads) if report else None
        findings.append(preflight.check_weights(backbone, loaded, key="MODEL.WEIGHTS"))
    return findings


def peek_batch(loop: SimpleTrainer) -> list[dict]:
    """The first batch of a training loop, which will begin with it all the same."""
    batches = loop._data_loader_iter
    first = next(batches)
    loop._data_loader_iter_obj = itertools.chain([first], batches)
    return first
