"""Weights of any layout into a model, with a report of what found its place."""

import logging
import sys
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from resnest_dense.architectures import get_architecture, list_architectures
from resnest_dense.errors import ResNeStError
from resnest_dense.nn import ResNeSt
from resnest_dense.weights.contract import InputContract
from resnest_dense.weights.matching import (
    adapt,
    bare_model,
    find_backbone,
    require_kinds,
    require_numbers,
)
from resnest_dense.weights.report import LoadReport
from resnest_dense.weights.source import Metadata, Source, Weights, open_weights

__all__ = ["load", "prepare"]

_logger = logging.getLogger(__name__)


def load(model: nn.Module, source: Source, strict: bool = True, *,
         logger: logging.Logger = _logger) -> LoadReport:
    """Load weights in any layout into a ResNeSt, or into the model that contains one.

    The names of the ResNeSt are translated; what the file has beside it goes to the entries of the
    model with the same names. RGB stems are adapted to other numbers of input channels: one channel
    gets the sum of the three filters, n channels get the filters in turn, times 3 / n. The report
    is logged; where logging is not set up, it is written to stderr.

    Args:
        model: a ResNeSt, or a detector or segmentor with one inside; unchanged if this raises.
        source: a name in the catalog, a path, an address, or a state dict.
        strict: whether the backbone must be loaded in full.
        logger: gets the report.

    Raises:
        ResNeStError: no ResNeSt in the model or the file, a file that cannot be had or read, NaN or
            infinite weights, or, if ``strict``, weights that do not fill the backbone or that are
            of another network.
    """
    model = bare_model(model)
    values, report = prepare(model, open_weights(source), strict=strict, logger=logger)
    targets = model.state_dict()
    with torch.no_grad():
        for name, value in values.items():
            targets[name].copy_(value)
    return report


def prepare(model: nn.Module, weights: Weights, *, strict: bool = True,
            logger: logging.Logger = _logger) -> tuple[dict[str, Tensor], LoadReport]:
    """What :func:`load` would load, under the model's names, for loaders that assign it on their
    own; the other arguments and the errors are those of :func:`load`.

    Args:
        weights: what :func:`resnest_dense.weights.source.open_weights` gives.
    """
    model = bare_model(model)
    values, report = adapt(model, weights.state, name=weights.name)
    require_kinds(values, model.state_dict(), weights.name)
    require_numbers(values, weights.name)
    _, backbone = find_backbone(model)
    report = replace(
        report,
        problem=(report.problem or _pooling_problem(backbone, weights.metadata)
                 or _stride_problem(backbone, report.layout)),
        notes=report.notes + weights.notes + _dilation_note(backbone, weights.metadata),
        contract=_contract(backbone, weights.metadata, report.layout))
    if strict and report.problem:
        raise ResNeStError(f"{weights.name} does not fit the model. {report.problem} Give weights "
                           "of the model's network, or build that of the weights; "
                           "resnest_dense.weights.load(..., strict=False) loads what "
                           f"fits. {report}")
    if logger.hasHandlers():
        logger.log(logging.WARNING if report.problem else logging.INFO, "%s", report)
    else:
        print(report, file=sys.stderr)
    return values, report


def _pooling_problem(backbone: ResNeSt, metadata: Metadata) -> str:
    # Where the average pools are leaves no trace in weights.
    known = [get_architecture(name).avd_first for name in metadata.architectures
             if name in list_architectures()]
    stage = getattr(backbone, "res2", None)
    if not known or stage is None or stage[0].avd_first in known:
        return ""
    return (f"The file is {' or '.join(metadata.architectures)}, which pools "
            f"{'before' if known[0] else 'after'} its 3x3 convolutions, unlike the model.")


def _stride_problem(backbone: ResNeSt, layout: str) -> str:
    # Where the stride is leaves no trace either; of Caffe2's networks, those with groups have it in
    # the 3x3.
    stage = getattr(backbone, "res3", None)
    if (layout != "caffe2" or stage is None or _is_grouped(backbone)
            or stage[0].conv1.stride != (1, 1)):
        return ""
    return ("The file is of the original ResNet, which strides in the first 1x1 convolution of a "
            "stage, unlike the model: resnet50_msra and resnet101_msra do.")


def _is_grouped(backbone: ResNeSt) -> bool:
    stage: Any = getattr(backbone, "res2", None)
    return stage is not None and stage[0].conv2.groups > 1


def _contract(backbone: ResNeSt, metadata: Metadata, layout: str) -> InputContract | None:
    """The input that the weights were trained on, if known."""
    if backbone.in_channels != 3:
        return None
    if metadata.contract is None and layout == "caffe2":
        # As in detectron2's configs: those of its grouped networks divide.
        std = (57.375, 57.12, 58.395) if _is_grouped(backbone) else (1.0, 1.0, 1.0)
        return InputContract("BGR", 255, (103.53, 116.28, 123.675), std)
    return metadata.contract


def _dilation_note(backbone: ResNeSt, metadata: Metadata) -> tuple[str, ...]:
    form, stage = metadata.dilated_form, getattr(backbone, "res5", None)
    if form is None or stage is None:
        return ()
    pool = stage[0].avd_layer
    differs = pool is None if form == "official" else pool is not None and pool.stride == 1
    return (f"trained with dilated_form={form!r}, unlike the model: its features differ",) * differs
