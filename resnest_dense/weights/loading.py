"""Weights of any layout into a model, with a report of what found its place."""

import logging
import sys
from dataclasses import replace

import torch
from torch import Tensor, nn

from resnest_dense.architectures import get_architecture, list_architectures
from resnest_dense.errors import ResNeStError
from resnest_dense.nn import ResNeSt
from resnest_dense.weights.matching import adapt, bare_model, find_backbone
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
        ResNeStError: no ResNeSt in the model or the file, a file that cannot be had or read, or, if
            ``strict``, weights that do not fill the backbone or that are of another network.
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
    _, backbone = find_backbone(model)
    report = replace(
        report,
        problem=report.problem or _pooling_problem(backbone, weights.metadata),
        notes=report.notes + weights.notes + _dilation_note(backbone, weights.metadata),
        contract=weights.metadata.contract if backbone.in_channels == 3 else None)
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


def _dilation_note(backbone: ResNeSt, metadata: Metadata) -> tuple[str, ...]:
    form, stage = metadata.dilated_form, getattr(backbone, "res5", None)
    if form is None or stage is None:
        return ()
    pool = stage[0].avd_layer
    differs = pool is None if form == "official" else pool is not None and pool.stride == 1
    return (f"trained with dilated_form={form!r}, unlike the model: its features differ",) * differs
