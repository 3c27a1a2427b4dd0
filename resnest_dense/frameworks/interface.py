"""What a framework must offer.

A framework is imported when one of its methods runs, so that each works without the other.
"""

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from resnest_dense.analysis import Analysis
from resnest_dense.comparison.recipe import Recipe
from resnest_dense.data.results import WriteFound
from resnest_dense.exporting.subject import Options, Subject
from resnest_dense.planning.order import Order
from resnest_dense.planning.plan import Plan, Step
from resnest_dense.report.run import Run
from resnest_dense.weights.catalog import Entry

if TYPE_CHECKING:
    from resnest_dense.analysis.speed import ModelCase

__all__ = ["Framework", "Predictor"]


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
