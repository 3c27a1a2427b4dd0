"""The trainer behind ``tools/train_net.py``: detectron2's default one, on a GPU or a CPU."""

import itertools
import json
import logging
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase, SimpleTrainer
from detectron2.engine.hooks import EvalHook
from detectron2.evaluation import DatasetEvaluator, print_csv_format
from detectron2.utils import comm
from torch import nn
from torch.utils.data import DataLoader

from resnest_dense import preflight
from resnest_dense.base.findings import Finding
from resnest_dense.base.interrupt import Interrupt
from resnest_dense.config_errors import explained
from resnest_dense.d2.checkpointer import load_weights
from resnest_dense.d2.classes import Classes, set_classes, trained_classes
from resnest_dense.d2.train import evaluation
from resnest_dense.d2.train.runs import measured_weights
from resnest_dense.nn import ResNeSt
from resnest_dense.nn.sync_norm import replace_sync_batch_norms
from resnest_dense.preflight import InputSettings
from resnest_dense.weights import LoadReport
from resnest_dense.weights.matching import bare_model

__all__ = ["IGNORE_PREFLIGHT", "RESULTS_FILE", "SaveOnInterrupt", "Trainer", "evaluate",
           "peek_batch"]

RESULTS_FILE = "results.json"
IGNORE_PREFLIGHT = "--ignore-preflight"
# Learning rates of detectron2's own configs and the paper's, for 16 images (docs/recipes.md 2.1).
_RATE, _RETINANET_RATE, _IMAGES = 0.02, 0.01, 16
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
        # detectron2's layers refuse torch's for a batch without objects.
        return replace_sync_batch_norms(super().build_model(cfg))

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str,
                        output_folder: str | None = None) -> DatasetEvaluator:
        folder = output_folder or _predictions_folder(cfg, "inference", dataset_name)
        return evaluation.build_evaluator(cfg, dataset_name, folder)

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
            results[name] = evaluation.EvaluationClock(evaluator, name).run(model, loader)
            if comm.is_main_process():
                print_csv_format(results[name])
        return next(iter(results.values())) if len(results) == 1 else results

    @classmethod
    def test_with_augmentation(cls, cfg: CfgNode, model: nn.Module,
                               trained: Classes | None = None) -> OrderedDict:
        """As :meth:`test`, with ``TEST.AUG``: metrics of boxes and masks, as "bbox_TTA" etc.;
        ``trained`` are the model's classes, where they are known.
        """
        _logger.info(
            "Evaluation with test-time augmentation: shorter sides of %s pixels, %s mirror images.",
            ", ".join(map(str, cfg.TEST.AUG.MIN_SIZES)), "with" if cfg.TEST.AUG.FLIP else "without")
        evaluators = _build_evaluators(cfg, "inference_TTA", trained, instances=True)
        results = cls.test(cfg, evaluation.build_tta_model(cfg, model), evaluators)
        return OrderedDict((f"{key}_TTA", value) for key, value in results.items())

    def build_hooks(self) -> list:
        hooks = [*super().build_hooks(), SaveOnInterrupt(self.checkpointer)]
        # Before the hook that writes the metrics; detectron2's own does not know the classes.
        place = max(i for i, hook in enumerate(hooks) if isinstance(hook, EvalHook))
        hooks[place] = EvalHook(self.cfg.TEST.EVAL_PERIOD, self._test)
        if self.cfg.TEST.AUG.ENABLED:  # at the end of training
            hooks.insert(place + 1, EvalHook(0, self._test_augmented))
        return hooks

    def _test(self) -> OrderedDict:
        evaluators = _build_evaluators(self.cfg, "inference", self._classes())
        self._last_eval_results = self.test(self.cfg, self.model, evaluators)
        return self._last_eval_results

    def _test_augmented(self) -> OrderedDict:
        results = self.test_with_augmentation(self.cfg, self.model, self._classes())
        self._last_eval_results.update(results)
        return results

    def _classes(self) -> Classes | None:
        return set_classes(self.cfg.DATASETS.TRAIN[0])

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

    def check_first_batch(self, report: LoadReport | None, *, resumed: bool,
                          proceed: bool) -> None:
        """Logs a line each on input, norms, learning rate and weights of a run that is about to
        start from the weights of the report (None for none), or is ``resumed`` from a checkpoint of
        its own. The batch is not lost: training begins with it.

        Raises:
            ResNeStError: something is certainly wrong, in any of the processes, unless ``proceed``.
        """
        if self.start_iter < self.max_iter:
            findings = self._look(report, resumed)
            preflight.log_and_raise(findings, comm.all_gather(findings), _logger.log,
                                    switch=IGNORE_PREFLIGHT, proceed=proceed)

    def _look(self, report: LoadReport | None, resumed: bool) -> list[Finding]:
        cfg, batch = self.cfg, peek_batch(self._trainer)
        model: Any = bare_model(self.model)
        backbone = getattr(model.backbone, "bottom_up", model.backbone)
        unit_std = isinstance(backbone, ResNeSt) and (report is not None or resumed)
        settings = InputSettings(cfg.INPUT.FORMAT, cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD,
                                 ("INPUT.FORMAT", "MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD"))
        rate = _RETINANET_RATE if cfg.MODEL.META_ARCHITECTURE == "RetinaNet" else _RATE
        findings = [
            preflight.check_input([entry["image"] for entry in batch], settings,
                                  unit_std=unit_std),
            preflight.check_norms(model, images=len(batch), processes=comm.get_world_size()),
            preflight.check_learning_rate(cfg.SOLVER.BASE_LR, images=cfg.SOLVER.IMS_PER_BATCH,
                                          reference=(rate, _IMAGES), key="SOLVER.BASE_LR")]
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


def evaluate(cfg: CfgNode, resume: bool = False) -> OrderedDict:
    """Metrics of ``MODEL.WEIGHTS`` (or of the last checkpoint) on every set of ``DATASETS.TEST``,
    and again with test-time augmentation where ``TEST.AUG.ENABLED``; also written to
    ``results.json`` in ``OUTPUT_DIR``.

    Raises:
        ResNeStError: weights that cannot be loaded, or that hold a backbone alone.
    """
    source = measured_weights(cfg, resume=resume)
    trained = trained_classes(source)
    evaluators = _build_evaluators(cfg, "inference", trained)
    with explained("MODEL of the config"):
        model = Trainer.build_model(cfg)
    load_weights(model, source,
                 remedy="Give the checkpoint of a detector trained with this config.")
    results = Trainer.test(cfg, model, evaluators)
    if cfg.TEST.AUG.ENABLED:
        results.update(Trainer.test_with_augmentation(cfg, model, trained))
    if comm.is_main_process():
        Path(cfg.OUTPUT_DIR, RESULTS_FILE).write_text(json.dumps(results, indent=2) + "\n")
    return results


def _build_evaluators(cfg: CfgNode, kind: str, trained: Classes | None, *,
                      instances: bool = False) -> list[DatasetEvaluator]:
    return [evaluation.build_evaluator(cfg, name, _predictions_folder(cfg, kind, name), trained,
                                       instances=instances) for name in cfg.DATASETS.TEST]


def _predictions_folder(cfg: CfgNode, kind: str, dataset_name: str) -> str:
    # detectron2 writes the predictions for all sets over each other.
    several = len(cfg.DATASETS.TEST) > 1
    return os.path.join(cfg.OUTPUT_DIR, kind, *([dataset_name] if several else []))
