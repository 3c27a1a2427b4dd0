"""The trainer behind ``tools/train_net.py``: detectron2's default one, on a GPU or a CPU."""

import contextlib
import logging
import os
from collections import OrderedDict

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from torch import nn

from resnest_dense.d2.compat import cpu_data_parallel
from resnest_dense.d2.evaluators import build_evaluator
from resnest_dense.d2.interrupt import SaveOnInterrupt
from resnest_dense.d2.loading import load_weights
from resnest_dense.nn.norm import replace_sync_batch_norms

__all__ = ["Trainer", "evaluate"]


class Trainer(DefaultTrainer):
    """Trains what a config describes, evaluates by COCO's rules, saves when interrupted.

    Args:
        cfg: a frozen config of :func:`resnest_dense.d2.get_cfg`.
    """

    def __init__(self, cfg: CfgNode):
        with cpu_data_parallel() if cfg.MODEL.DEVICE == "cpu" else contextlib.nullcontext():
            super().__init__(cfg)

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        model = super().build_model(cfg)
        several_on_cpu = cfg.MODEL.DEVICE == "cpu" and comm.get_world_size() > 1
        return replace_sync_batch_norms(model) if several_on_cpu else model

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str,
                        output_folder: str | None = None) -> DatasetEvaluator:
        return build_evaluator(
            cfg, dataset_name, output_folder or os.path.join(cfg.OUTPUT_DIR, "inference")
        )

    def build_hooks(self) -> list:
        return [*super().build_hooks(), SaveOnInterrupt(self.checkpointer)]

    def resume_or_load(self, resume: bool = True) -> None:
        """Continues from the last checkpoint of ``OUTPUT_DIR``; without one, or where ``resume`` is
        false, starts from ``MODEL.WEIGHTS``.
        """
        if resume and self.checkpointer.has_checkpoint():
            super().resume_or_load(resume=True)
            return
        if resume:
            logging.getLogger(__name__).warning(
                "--resume: no checkpoint in %s, so training starts from the beginning.",
                self.cfg.OUTPUT_DIR,
            )
        load_weights(self.model, self.cfg)


def evaluate(cfg: CfgNode, resume: bool = False) -> OrderedDict:
    """Metrics of ``MODEL.WEIGHTS`` (or of the last checkpoint) on every set of ``DATASETS.TEST``.

    Raises:
        ResNeStError: weights that cannot be loaded, or that hold a backbone alone.
    """
    model = Trainer.build_model(cfg)
    checkpointer = DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR)
    if resume and checkpointer.has_checkpoint():
        checkpointer.resume_or_load("", resume=True)
    else:
        load_weights(model, cfg, whole=True)
    return Trainer.test(cfg, model)
