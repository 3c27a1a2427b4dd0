"""Of which framework a config, a task, a tool or a run is: nothing else asks that."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import nn

from resnest_dense.analysis import Analysis, analyze_backbone, open_backbone
from resnest_dense.architectures import list_architectures
from resnest_dense.configs import find_any_config
from resnest_dense.errors import ResNeStValueError, near
from resnest_dense.exporting.backbone import backbone_subject
from resnest_dense.exporting.subject import Options, Subject
from resnest_dense.frameworks.detectron2 import Detectron2
from resnest_dense.frameworks.interface import Framework, Predictor
from resnest_dense.frameworks.mmsegmentation import MMSegmentation
from resnest_dense.planning.order import DETECTION
from resnest_dense.report.run import Run
from resnest_dense.training.record import read_record

__all__ = ["Framework", "Predictor", "analyze_config", "export_subject", "find_framework",
           "framework_of_task", "framework_of_tool", "open_model", "read_run"]

_OF_FORM: dict[str, Framework] = {"yaml": Detectron2(), "mmseg": MMSegmentation()}
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
