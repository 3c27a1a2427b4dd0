"""The trainer behind ``tools/train_net.py``: detectron2's default one, on a GPU or a CPU."""

import itertools
import json
import logging
import math
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, SimpleTrainer
from detectron2.engine.hooks import EvalHook, PreciseBN
from detectron2.evaluation import DatasetEvaluator, print_csv_format
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.utils import comm
from torch import nn
from torch.utils.data import DataLoader

from resnest_dense import preflight
from resnest_dense.base.findings import Finding
from resnest_dense.base.interrupt import Interrupt
from resnest_dense.config_errors import explained
from resnest_dense.d2.checkpointer import load_weights
from resnest_dense.d2.classes import Classes, set_classes, trained_classes
from resnest_dense.d2.data.order import build_train_loader
from resnest_dense.d2.train import evaluation
from resnest_dense.d2.train.accumulation import AccumulatingTrainer, check_accumulation
from resnest_dense.d2.train.checkpoints import RunCheckpointer
from resnest_dense.d2.train.hooks import (
    IterationSeed,
    OrderedPreciseBN,
    ResumedEvalHook,
    SaveOnInterrupt,
    StopAtNonFinite,
)
from resnest_dense.d2.train.runs import measured_weights
from resnest_dense.errors import listed
from resnest_dense.nn import ResNeSt
from resnest_dense.nn.sync_norm import replace_sync_batch_norms
from resnest_dense.preflight import InputSettings
from resnest_dense.training.batches import ResumableLoader
from resnest_dense.training.faults import faults_told
from resnest_dense.training.processes.watch import current_watch
from resnest_dense.weights import LoadReport
from resnest_dense.weights.matching import bare_model

__all__ = ["IGNORE_PREFLIGHT", "RESULTS_FILE", "Trainer", "evaluate", "peek_batch"]

RESULTS_FILE = "results.json"
IGNORE_PREFLIGHT = "--ignore-preflight"
# Learning rates of detectron2's own configs and the paper's, for 16 images (docs/recipes.md 2.1).
_RATE, _RETINANET_RATE, _IMAGES = 0.02, 0.01, 16
# By which of its metrics a model is the best so far, where TEST.BEST_METRIC names none.
_MAIN_METRICS = ("panoptic_seg/PQ", "keypoints/AP", "segm/AP", "bbox/AP", "sem_seg/mIoU")
# A running mean of RetinaNet and its kin, which is no buffer.
_NORMALIZER = "loss_normalizer"
_logger = logging.getLogger(__name__)


class Trainer(DefaultTrainer):
    """Trains what a frozen config of :func:`resnest_dense.d2.get_cfg` describes, evaluates by
    COCO's rules, saves when interrupted, goes on as if it had never stopped.

    Args:
        cfg: frozen.
    """

    def __init__(self, cfg: CfgNode):
        if cfg.SEED < 0:
            cfg = cfg.clone()
            cfg.defrost()
            cfg.SEED = comm.shared_random_seed()
            cfg.freeze()
        check_accumulation(cfg, processes=comm.get_world_size())
        self.interrupt = Interrupt()
        self._best: tuple[float, int] | None = None  # metric, and iterations that had it
        super().__init__(cfg)
        if cfg.SOLVER.ACCUMULATE > 1:
            self._trainer = AccumulatingTrainer(
                self._trainer, cfg.SOLVER.ACCUMULATE)  # type: ignore[has-type]
        self._stop = StopAtNonFinite(self)
        self._trainer.register_hooks([self._stop])

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        # detectron2's layers refuse torch's for a batch without objects.
        return replace_sync_batch_norms(super().build_model(cfg))

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> DataLoader:
        return build_train_loader(cfg)

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
        cfg, stock = self.cfg, self.checkpointer  # type: ignore[has-type]
        self.checkpointer = RunCheckpointer(stock.model, stock.save_dir,
                                            keep=cfg.SOLVER.CHECKPOINTS_KEPT,
                                            **stock.checkpointables)
        hooks = [IterationSeed(cfg.SEED), *super().build_hooks(),
                 SaveOnInterrupt(self.checkpointer, self.interrupt)]
        for place, hook in enumerate(hooks):
            if isinstance(hook, PreciseBN):
                hooks[place] = OrderedPreciseBN(cfg.TEST.EVAL_PERIOD, self.model, hook._data_loader,
                                                cfg.TEST.PRECISE_BN.NUM_ITER,
                                                parts=cfg.SOLVER.ACCUMULATE)
        # Before the hook that writes the metrics; detectron2's own does not know the classes.
        place = max(i for i, hook in enumerate(hooks) if isinstance(hook, EvalHook))
        hooks[place] = ResumedEvalHook(cfg.TEST.EVAL_PERIOD, self._test)
        if cfg.TEST.AUG.ENABLED:  # at the end of training
            hooks.insert(place + 1, EvalHook(0, self._test_augmented))
        return hooks

    def state_dict(self) -> dict[str, Any]:
        state = {**super().state_dict(), "seed": self.cfg.SEED, "best": self._best}
        normalizer = getattr(bare_model(self.model), _NORMALIZER, None)
        return {**state, **({_NORMALIZER: float(normalizer)} if normalizer is not None else {})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._best = state_dict.get("best")
        if _NORMALIZER in state_dict:
            setattr(bare_model(self.model), _NORMALIZER, state_dict[_NORMALIZER])

    def train(self) -> OrderedDict | None:
        with faults_told(Path(self.cfg.OUTPUT_DIR), quiet="detectron2.engine.train_loop"):
            return super().train()

    def run_step(self) -> None:
        # Scripted parts (the focal loss) round otherwise once torch has seen them run twice.
        optimized = self.cfg.MODEL.DEVICE != "cpu"
        try:
            with current_watch().step(self.iter), torch.jit.optimized_execution(optimized):
                super().run_step()
        except FloatingPointError as error:  # of proposals that are no numbers
            raise self._stop.explain(error) from error

    def after_step(self) -> None:
        with current_watch().explained():
            super().after_step()

    def _test(self) -> OrderedDict:
        evaluators = _build_evaluators(self.cfg, "inference", self._classes())
        self._last_eval_results = self.test(self.cfg, self.model, evaluators)
        if self.cfg.TEST.EVAL_PERIOD > 0 and comm.is_main_process():
            self._keep_best(flatten_results_dict(self._last_eval_results))
        return self._last_eval_results

    def _keep_best(self, metrics: dict[str, float]) -> None:
        """``metrics`` by task and name, with several sets by set, task and name."""
        wanted = [self.cfg.TEST.BEST_METRIC] if self.cfg.TEST.BEST_METRIC else _MAIN_METRICS
        value = next((value for name in wanted for key, value in metrics.items()
                      if f"/{key}".endswith(f"/{name}")), None)
        if value is None:
            _logger.warning("TEST.BEST_METRIC: none of %s is measured, so no best model is kept; "
                            "there are %s.", ", ".join(wanted), listed(metrics))
        elif math.isfinite(value) and (self._best is None or value > self._best[0]):
            self._best = value, self.iter + 1
            self.checkpointer.save_best(iteration=self.iter, metric=value)

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
            if isinstance(self.data_loader, ResumableLoader):
                self.data_loader.first = self.start_iter
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
        parts = cfg.SOLVER.ACCUMULATE
        model: Any = bare_model(self.model)
        backbone = getattr(model.backbone, "bottom_up", model.backbone)
        unit_std = isinstance(backbone, ResNeSt) and (report is not None or resumed)
        settings = InputSettings(cfg.INPUT.FORMAT, cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD,
                                 ("INPUT.FORMAT", "MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD"))
        rate = _RETINANET_RATE if cfg.MODEL.META_ARCHITECTURE == "RetinaNet" else _RATE
        findings = [
            preflight.check_input([entry["image"] for entry in batch], settings,
                                  unit_std=unit_std),
            preflight.check_norms(model, images=len(batch) // parts,
                                  processes=comm.get_world_size()),
            preflight.check_learning_rate(
                cfg.SOLVER.BASE_LR, images=cfg.SOLVER.IMS_PER_BATCH, reference=(rate, _IMAGES),
                key="SOLVER.BASE_LR", clipped=cfg.SOLVER.CLIP_GRADIENTS.ENABLED, parts=parts,
                accumulation="SOLVER.IMS_PER_BATCH {images} SOLVER.ACCUMULATE {parts} "
                             "SOLVER.BASE_LR {rate:g}")]
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
