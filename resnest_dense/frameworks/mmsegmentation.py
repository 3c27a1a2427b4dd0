"""What MMSegmentation offers."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resnest_dense.analysis import Analysis
from resnest_dense.base.runs import OVERWRITE
from resnest_dense.comparison.recipe import Recipe
from resnest_dense.data.labels.folder import find_pairs, read_classes
from resnest_dense.exporting.subject import Options, Subject
from resnest_dense.frameworks.interface import Framework, Predictor
from resnest_dense.planning.data import find_labels
from resnest_dense.planning.facts import LabelFacts, label_facts
from resnest_dense.planning.order import Order
from resnest_dense.planning.plan import Plan, Step
from resnest_dense.report.run import Run
from resnest_dense.weights.catalog import Entry

if TYPE_CHECKING:
    from resnest_dense.analysis.speed import ModelCase

__all__ = ["MMSegmentation"]


class MMSegmentation(Framework):
    image_size = (512, 512)
    tool, workers_key = "tools/mmseg_train.py", "workers"

    def open(self, config: str, checkpoint: str, *, device: str | None = None,
             threshold: float = 0.5, classes: str | None = None) -> Predictor:
        from resnest_dense.mmseg.run import predict

        segmentor = predict.SegmentationPredictor(config, checkpoint, device=device)
        return Predictor(segmentor.model,
                         lambda image: segmentor(np.ascontiguousarray(image[:, :, ::-1])),  # BGR
                         partial(predict.open_results, segmentor),
                         partial(predict.annotate_segments, segmentor), "labels and overlays")

    def analyze(self, config: str, size: tuple[int, int] | None) -> Analysis:
        from resnest_dense.mmseg.run.analysis import analyze_segmentor

        return analyze_segmentor(config, size)

    def benchmark_case(self) -> "type[ModelCase]":
        from resnest_dense.mmseg.benchmark import SegmentorCase

        return SegmentorCase

    def export_subject(self, config: str, checkpoint: str, options: Options) -> Subject:
        from resnest_dense.mmseg.run.export import make_subject

        return make_subject(config, checkpoint, options)

    def show_data(self, args: argparse.Namespace) -> tuple[list[Path], dict[str, str]]:
        from resnest_dense.mmseg.run.settings import read_config
        from resnest_dense.mmseg.run.show import show_training_data

        settings = argparse.Namespace(
            config=args.config, train=args.train, classes=args.classes,
            val=args.train and args.train[0],
            reduce_zero_label=args.reduce_zero_label, cfg_options={}, launcher="none",
            work_dir=None)
        return show_training_data(read_config(settings), args.out, args.count)

    def recipe(self, args: argparse.Namespace) -> Recipe:
        from resnest_dense.mmseg.run.recipe import SegmentorRecipe

        return SegmentorRecipe(args)

    def evaluate_published(self, entry: Entry, checkpoint: Path, metrics: Sequence[str], out: Path,
                           args: argparse.Namespace) -> dict[str, float]:
        from resnest_dense.mmseg.run.evaluate import measure_published

        return measure_published(str(entry.config), checkpoint, metrics, out=out,
                                 dilated_form=entry.options.get("dilated_form"),
                                 data_root=args.data, options=args.opts)

    def read_data(self, order: Order, root: str | Path, out: Path
                  ) -> tuple[list[str], LabelFacts]:
        data = find_labels(root, out, seed=order.seed)
        return data.words(), label_facts(find_pairs(*data.train),
                                         len(read_classes(data.classes).names))

    def plan_training(self, order: Order, facts: LabelFacts, step: Step, device: str) -> Plan:
        from resnest_dense.mmseg.run.planned import plan_segmentor

        return plan_segmentor(order, facts, step)

    def write_plan(self, plan: Plan, stem: Path) -> Path:
        from resnest_dense.mmseg.run.planned import write_config

        return write_config(plan, stem.with_suffix(".py"))

    def training_words(self, config: Path, data: Sequence[str], out: Path, *,
                       overwrite: bool) -> list[str]:
        return [str(config), "--work-dir", str(out), *data, *([OVERWRITE] if overwrite else [])]

    def train(self, words: Sequence[str]) -> None:
        from resnest_dense.mmseg.run import train

        train.run(train.make_parser().parse_args(words))

    def read_run(self, folder: Path) -> Run:
        from resnest_dense.mmseg.run.report import read_run

        return read_run(folder)
