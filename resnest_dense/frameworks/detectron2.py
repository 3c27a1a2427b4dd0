"""What detectron2 offers."""

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from resnest_dense.analysis import Analysis
from resnest_dense.base.runs import OVERWRITE
from resnest_dense.comparison.recipe import Recipe
from resnest_dense.configs import find_any_config
from resnest_dense.data.own_files import files_of
from resnest_dense.errors import ResNeStValueError
from resnest_dense.exporting.subject import Options, Subject
from resnest_dense.frameworks.interface import Framework, Predictor
from resnest_dense.planning.data import find_boxes, find_panoptic
from resnest_dense.planning.facts import BoxFacts, box_facts
from resnest_dense.planning.order import Order
from resnest_dense.planning.plan import Plan, Step
from resnest_dense.report.run import Run
from resnest_dense.weights.catalog import Entry

if TYPE_CHECKING:
    from resnest_dense.analysis.speed import ModelCase

__all__ = ["Detectron2"]


class Detectron2(Framework):
    image_size = (800, 1216)
    tool, workers_key = "tools/train_net.py", "DATALOADER.NUM_WORKERS"

    def open(self, config: str, checkpoint: str, *, device: str | None = None,
             threshold: float = 0.5, classes: str | None = None) -> Predictor:
        from resnest_dense.d2.predict.predictions import annotate_detections, open_results
        from resnest_dense.d2.predict.predictor import DetectionPredictor

        detector = DetectionPredictor(config, checkpoint, device=device, threshold=threshold,
                                      classes=classes)
        return Predictor(detector.model, detector, partial(open_results, detector.classes),
                         partial(annotate_detections, detector), "pictures and detections.json")

    def analyze(self, config: str, size: tuple[int, int] | None) -> Analysis:
        from resnest_dense.d2.predict.analysis import analyze_detector

        return analyze_detector(config, size)

    def benchmark_case(self) -> "type[ModelCase]":
        from resnest_dense.d2.benchmark import DetectorCase

        return DetectorCase

    def export_subject(self, config: str, checkpoint: str, options: Options) -> Subject:
        from resnest_dense.d2.export.subject import make_subject

        return make_subject(config, checkpoint, options)

    def show_data(self, args: argparse.Namespace) -> tuple[list[Path], dict[str, str]]:
        from resnest_dense.d2.data.show import show_lazy_training_data, show_training_data
        from resnest_dense.d2.train import read_training_data

        path, form = find_any_config(args.config)
        if form == "yaml":
            return show_training_data(read_training_data(args), args.out, args.count)
        if files_of(args, "train"):
            raise ResNeStValueError(f"{path} is a LazyConfig, whose data it names itself: give "
                                    "--opts dataloader.train.dataset.names=... instead.")
        return show_lazy_training_data(path, args.opts, args.out, args.count)

    def recipe(self, args: argparse.Namespace) -> Recipe:
        from resnest_dense.d2.train.recipe import DetectorRecipe

        return DetectorRecipe(args)

    def evaluate_published(self, entry: Entry, checkpoint: Path, metrics: Sequence[str], out: Path,
                           args: argparse.Namespace) -> dict[str, float]:
        if args.data:
            os.environ["DETECTRON2_DATASETS"] = args.data  # detectron2 reads it when imported
        from resnest_dense.d2.train import measure_published

        return measure_published(str(entry.config), checkpoint, metrics, out=out,
                                 num_gpus=args.num_gpus, options=args.opts)

    def read_data(self, order: Order, root: str | Path, out: Path) -> tuple[list[str], BoxFacts]:
        if order.task == "panoptic":
            panoptic = find_panoptic(root)
            return panoptic.words(), box_facts(panoptic.train[0], panoptic=True)
        data = find_boxes(root, out, seed=order.seed)
        return data.words(), box_facts(data.train[0])

    def plan_training(self, order: Order, facts: BoxFacts, step: Step, device: str) -> Plan:
        from resnest_dense.d2.train.planned import plan_detector

        plan = plan_detector(order, facts, step)
        plan.set("MODEL.DEVICE", device, "--device" if order.device else "the one that is there")
        return plan

    def write_plan(self, plan: Plan, stem: Path) -> Path:
        from resnest_dense.d2.train.planned import write_config

        return write_config(plan, stem.with_suffix(".yaml"))

    def training_words(self, config: Path, data: Sequence[str], out: Path, *,
                       overwrite: bool) -> list[str]:
        return ["--config-file", str(config), *data, *([OVERWRITE] if overwrite else []),
                "OUTPUT_DIR", str(out)]

    def train(self, words: Sequence[str]) -> None:
        from resnest_dense.d2 import train

        train.run(train.make_parser().parse_args(words))

    def read_run(self, folder: Path) -> Run:
        from resnest_dense.d2.report import read_run

        return read_run(folder)
