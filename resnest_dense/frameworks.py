"""What a framework must offer, and of which framework a config is: nothing else asks that.

A framework is imported when one of its methods runs, so that each works without the other.
"""

import argparse
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from resnest_dense.analysis import Analysis, analyze_backbone, open_backbone
from resnest_dense.architectures import list_architectures
from resnest_dense.base.runs import OVERWRITE
from resnest_dense.comparison.recipe import Recipe
from resnest_dense.configs import find_any_config
from resnest_dense.data.labels.folder import find_pairs, read_classes
from resnest_dense.data.own_files import files_of
from resnest_dense.data.results import WriteFound
from resnest_dense.errors import ResNeStValueError, near
from resnest_dense.exporting.backbone import backbone_subject
from resnest_dense.exporting.subject import Options, Subject
from resnest_dense.planning.data import find_boxes, find_labels, find_panoptic
from resnest_dense.planning.facts import BoxFacts, LabelFacts, box_facts, label_facts
from resnest_dense.planning.order import DETECTION, Order
from resnest_dense.planning.plan import Plan, Step
from resnest_dense.report.run import Run
from resnest_dense.training.record import read_record
from resnest_dense.weights.catalog import Entry

if TYPE_CHECKING:
    from resnest_dense.analysis.speed import ModelCase

__all__ = ["Framework", "Predictor", "analyze_config", "export_subject", "find_framework",
           "framework_of_task", "framework_of_tool", "open_model", "read_run"]


@dataclass(frozen=True)
class Predictor:
    """A trained model that is ready for images.

    Args:
        model: in eval mode, with its weights, on its device.
        run: what it finds in an image (H, W, 3), RGB, uint8.
        open_results: of a folder, gives (as a context) what writes there what ``run`` finds.
        annotate: writes what it finds in a video (a file, a folder); gives the number of frames.
        written: what is then in the folder, in words.
    """

    model: nn.Module
    run: Callable[[np.ndarray], object]
    open_results: Callable[[str | Path], AbstractContextManager[WriteFound]]
    annotate: Callable[[Path, str | Path], int]
    written: str


class Framework(ABC):
    """One framework, by what is done with its configs: paths, or names of shipped ones.

    Every method raises :class:`resnest_dense.ResNeStError` for a config, checkpoint or data set
    that cannot be used.
    """

    image_size: tuple[int, int]
    """Height and width of the images that its models are usually measured on."""
    tool: str
    """What trains its models, in the repository."""
    workers_key: str
    """Setting of the number of processes that load images."""

    @abstractmethod
    def open(self, config: str, checkpoint: str, *, device: str | None = None,
             threshold: float = 0.5, classes: str | None = None) -> Predictor:
        """A trained model.

        Args:
            config: what it was trained with.
            checkpoint: a path, an address or a name in the catalog.
            device: where it runs; a GPU if there is one, when None.
            threshold: least score of what a detector finds.
            classes: file with a detector's classes; None for those beside the checkpoint.
        """

    @abstractmethod
    def analyze(self, config: str, size: tuple[int, int] | None) -> Analysis:
        """What the model costs for an image of a height and width, the config's own when None."""

    @abstractmethod
    def benchmark_case(self) -> "type[ModelCase]":
        """How models of its configs are measured."""

    @abstractmethod
    def export_subject(self, config: str, checkpoint: str, options: Options) -> Subject:
        """A trained model in the form in which it is exported.

        Args:
            config: what it was trained with.
            checkpoint: a path, an address or a name in the catalog.
            options: what of it, and how.
        """

    @abstractmethod
    def show_data(self, args: argparse.Namespace) -> tuple[list[Path], dict[str, str]]:
        """Draws what a config is trained on, as ``resnest-dense show-data`` says; the
        pictures, and the files that could not be shown, with why."""

    @abstractmethod
    def recipe(self, args: argparse.Namespace) -> Recipe:
        """A config with the data and settings of ``resnest-dense compare``, in which backbones take
        turns."""

    @abstractmethod
    def evaluate_published(self, entry: Entry, checkpoint: Path, metrics: Sequence[str], out: Path,
                           args: argparse.Namespace) -> dict[str, float]:
        """Measures a published checkpoint, in percent.

        Args:
            entry: what the catalog says of it.
            checkpoint: the fetched file.
            metrics: what to measure, under the names of the catalog.
            out: folder of predictions and logs.
            args: of ``resnest-dense evaluate-published``: data, num_gpus, opts.
        """

    @abstractmethod
    def read_data(self, order: Order, root: str | Path, out: Path) -> tuple[list[str], Any]:
        """The data in a folder, as arguments of its tool, and what the rules ask of it.

        Args:
            order: what is to be trained.
            root: the folder.
            out: where what is made of it is put.
        """

    @abstractmethod
    def plan_training(self, order: Order, facts: Any, step: Step, device: str) -> Plan:
        """The settings of a run.

        Args:
            order: what is to be trained.
            facts: of :meth:`read_data`.
            step: its images, and how long it takes where that is known.
            device: "cpu", "cuda", ...
        """

    @abstractmethod
    def write_plan(self, plan: Plan, stem: Path) -> Path:
        """Writes a plan as a config of its own, under that name and its suffix; gives the file."""

    @abstractmethod
    def training_words(self, config: Path, data: Sequence[str], out: Path, *,
                       overwrite: bool) -> list[str]:
        """The arguments of its tool that train a config on data into a folder."""

    @abstractmethod
    def train(self, words: Sequence[str]) -> None:
        """Runs its tool with these arguments."""

    @abstractmethod
    def read_run(self, folder: Path) -> Run:
        """What the folder of a run holds, and what of it is measured, for its report."""


class _Detectron2(Framework):
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


class _MMSegmentation(Framework):
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


_OF_FORM: dict[str, Framework] = {"yaml": _Detectron2(), "mmseg": _MMSegmentation()}
_OF_FORM["lazy"] = _OF_FORM["yaml"]


def find_framework(config: str) -> Framework:
    """The framework that a config is for.

    Args:
        config: a path, or the name of a shipped one.

    Raises:
        ResNeStValueError: no such config, or a file that is none.
    """
    return _OF_FORM[find_any_config(config)[1]]


def framework_of_tool(tool: str) -> Framework:
    """The framework whose models a training tool trains.

    Args:
        tool: its path or name.

    Raises:
        ResNeStValueError: no such tool.
    """
    tools = {Path(framework.tool).stem: framework for framework in _OF_FORM.values()}
    name = Path(tool).stem
    if name not in tools:
        raise ResNeStValueError(f"{tool} is no training tool. {near(name, tools)}")
    return tools[name]


def framework_of_task(task: str) -> Framework:
    """The framework that trains a task of :mod:`resnest_dense.planning.order`."""
    return _OF_FORM["yaml" if task in DETECTION else "mmseg"]


def read_run(folder: Path) -> Run:
    """The run in a folder, finished or not, of whichever framework.

    Raises:
        ResNeStError: a folder that holds none.
    """
    form = "yaml" if "MODEL" in read_record(folder)["config"] else "mmseg"
    return _OF_FORM[form].read_run(folder)


def analyze_config(name: str, size: tuple[int, int] | None = None) -> Analysis:
    """Counts of a config's model or of a network by itself.

    Args:
        name: an architecture, or a config of either framework.
        size: height and width of the image in pixels; that of the config, or 224x224, when None.

    Raises:
        ResNeStError: no such config, or one whose model is not known.
    """
    if name in list_architectures():
        return analyze_backbone(name, size)
    return find_framework(name).analyze(name, size)


def open_model(name: str, checkpoint: str, device: str | None = None
               ) -> tuple[nn.Module, Callable[[np.ndarray], object]]:
    """A model with its weights, and a function that runs it on an image (H, W, 3), RGB, uint8.

    Args:
        name: an architecture, or a config of either framework.
        checkpoint: a path, an address or a name in the catalog.
        device: where it runs; a GPU if there is one, when None.

    Raises:
        ResNeStError: no such model or weights, or weights of another one.
    """
    if name in list_architectures():
        return open_backbone(name, checkpoint, device)
    predictor = find_framework(name).open(name, checkpoint, device=device)
    return predictor.model, predictor.run


def export_subject(name: str, checkpoint: str, options: Options) -> Subject:
    """A model with its weights in the form in which it is exported.

    Args:
        name: an architecture, or a config of either framework.
        checkpoint: a path, an address or a name in the catalog.
        options: what of it, and how.

    Raises:
        ResNeStError: no such model or weights, weights of another one, or a kind of model that
            cannot be exported.
    """
    if name in list_architectures():
        return backbone_subject(name, checkpoint, options)
    return find_framework(name).export_subject(name, checkpoint, options)
