"""The trainer behind ``tools/train_net.py``: detectron2's default one, on a GPU or a CPU."""

import json
import logging
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.engine.hooks import EvalHook
from detectron2.evaluation import DatasetEvaluator, print_csv_format
from detectron2.utils import comm
from torch import nn
from torch.utils.data import DataLoader

from resnest_dense.d2.checkpointer import load_weights
from resnest_dense.d2.train.evaluation import (
    EvaluationClock,
    build_coco_evaluator,
    build_evaluator,
    build_tta_model,
)
from resnest_dense.interrupt import Interrupt
from resnest_dense.nn.sync_norm import replace_sync_batch_norms
from resnest_dense.weights import LoadReport

__all__ = ["RESULTS_FILE", "SaveOnInterrupt", "Trainer", "evaluate"]

RESULTS_FILE = "results.json"

_logger = logging.getLogger(__name__)


class SaveOnInterrupt(HookBase):
    """On Ctrl-C or SIGTERM: finish the iteration, save a checkpoint, from which ``--resume``
    continues, and stop. A second signal stops at once, without saving.
    """

    def __init__(self, checkpointer: DetectionCheckpointer):
        self.checkpointer = checkpointer
        self._interrupt = Interrupt()

    def before_train(self) -> None:
        self._interrupt.catch()

    def after_step(self) -> None:
        if self._interrupt.name is None:
            return
        iteration = self.trainer.iter
        if comm.is_main_process():
            self.checkpointer.save(f"model_{iteration:07d}", iteration=iteration)
            _logger.warning(
                "Interrupted: saved after iteration %d in %s; --resume continues from there.",
                iteration, self.checkpointer.save_dir)
        raise KeyboardInterrupt(self._interrupt.name)

    def after_train(self) -> None:
        self._interrupt.release()


class Trainer(DefaultTrainer):
    """Trains what a frozen config of :func:`resnest_dense.d2.get_cfg` describes, evaluates by
    COCO's rules, saves when interrupted.
    """

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        model = super().build_model(cfg)
        several_on_cpu = cfg.MODEL.DEVICE == "cpu" and comm.get_world_size() > 1
        return replace_sync_batch_norms(model) if several_on_cpu else model

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str,
                        output_folder: str | None = None) -> DatasetEvaluator:
        folder = output_folder or _predictions_folder(cfg, "inference", dataset_name)
        return build_evaluator(cfg, dataset_name, folder)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> DataLoader:
        if cfg.MODEL.KEYPOINT_ON:
            # The mapper would ask the training set, which may be missing, how to mirror keypoints.
            cfg = cfg.clone()
            cfg.defrost()
            cfg.MODEL.KEYPOINT_ON = False
        return super().build_test_loader(cfg, dataset_name)

    @classmethod
    def test(cls, cfg: CfgNode, model: nn.Module,
             evaluators: list[DatasetEvaluator] | None = None) -> OrderedDict:
        """Metrics on every set of ``DATASETS.TEST`` by task, such as "bbox" (by set and task where
        there are several sets), and in the log where the time went.
        """
        results: OrderedDict[str, Any] = OrderedDict()
        for number, name in enumerate(cfg.DATASETS.TEST):
            loader = cls.build_test_loader(cfg, name)
            evaluator = evaluators[number] if evaluators else cls.build_evaluator(cfg, name)
            results[name] = EvaluationClock(evaluator, name).run(model, loader)
            if comm.is_main_process():
                print_csv_format(results[name])
        return next(iter(results.values())) if len(results) == 1 else results

    @classmethod
    def test_with_augmentation(cls, cfg: CfgNode, model: nn.Module) -> OrderedDict:
        """As :meth:`test`, with ``TEST.AUG``: metrics of boxes and masks, as "bbox_TTA" etc."""
        _logger.info(
            "Evaluation with test-time augmentation: shorter sides of %s pixels, %s mirror images.",
            ", ".join(map(str, cfg.TEST.AUG.MIN_SIZES)), "with" if cfg.TEST.AUG.FLIP else "without")
        evaluators = [
            build_coco_evaluator(cfg, name, _predictions_folder(cfg, "inference_TTA", name))
            for name in cfg.DATASETS.TEST]
        results = cls.test(cfg, build_tta_model(cfg, model), evaluators)
        return OrderedDict((f"{key}_TTA", value) for key, value in results.items())

    def build_hooks(self) -> list:
        hooks = [*super().build_hooks(), SaveOnInterrupt(self.checkpointer)]
        if self.cfg.TEST.AUG.ENABLED:
            # At the end of training, and before the hook that writes the metrics.
            last = max(i for i, hook in enumerate(hooks) if isinstance(hook, EvalHook))
            hooks.insert(last + 1, EvalHook(0, self._test_augmented))
        return hooks

    def _test_augmented(self) -> OrderedDict:
        results = self.test_with_augmentation(self.cfg, self.model)
        self._last_eval_results.update(results)
        return results

    def resume_or_load(self, resume: bool = True) -> LoadReport | None:
        """Continues from the last checkpoint of ``OUTPUT_DIR``; without one, or where ``resume`` is
        false, starts from ``MODEL.WEIGHTS`` and returns what was loaded of them.
        """
        if resume and self.checkpointer.has_checkpoint():
            super().resume_or_load(resume=True)
            return None
        if resume:
            _logger.warning("--resume: no checkpoint in %s, so training starts from the beginning.",
                            self.cfg.OUTPUT_DIR)
        return load_weights(self.model, self.cfg.MODEL.WEIGHTS)


def evaluate(cfg: CfgNode, resume: bool = False) -> OrderedDict:
    """Metrics of ``MODEL.WEIGHTS`` (or of the last checkpoint) on every set of ``DATASETS.TEST``,
    and again with test-time augmentation where ``TEST.AUG.ENABLED``; also written to
    ``results.json`` in ``OUTPUT_DIR``.

    Raises:
        ResNeStError: weights that cannot be loaded, or that hold a backbone alone.
    """
    model = Trainer.build_model(cfg)
    checkpointer = DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR)
    if resume and checkpointer.has_checkpoint():
        checkpointer.resume_or_load("", resume=True)
    else:
        load_weights(model, cfg.MODEL.WEIGHTS,
                     remedy="Give the checkpoint of a detector trained with this config.")
    results = Trainer.test(cfg, model)
    if cfg.TEST.AUG.ENABLED:
        results.update(Trainer.test_with_augmentation(cfg, model))
    if comm.is_main_process():
        Path(cfg.OUTPUT_DIR, RESULTS_FILE).write_text(json.dumps(results, indent=2) + "\n")
    return results


def _predictions_folder(cfg: CfgNode, kind: str, dataset_name: str) -> str:
    # detectron2 writes the predictions for all sets over each other.
    several = len(cfg.DATASETS.TEST) > 1
    return os.path.join(cfg.OUTPUT_DIR, kind, *([dataset_name] if several else []))
