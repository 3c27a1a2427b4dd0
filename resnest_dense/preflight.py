"""Checks of a training run on its first batch, whichever framework trains: a line each."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnest_dense.base.findings import Finding
from resnest_dense.errors import ResNeStError
from resnest_dense.nn.sync_norm import SyncBatchNorm

__all__ = ["InputSettings", "check_input", "check_learning_rate", "check_norms", "check_weights",
           "log_and_raise"]

# Below this many images a group, batch statistics are too noisy (Group Normalization, figure 1,
# arXiv 1803.08494: the error of batch norm rises from 8 images a group on).
_LEAST_IMAGES = 8
_IMAGENET_MEAN = {"RGB": (123.675, 116.28, 103.53), "BGR": (103.53, 116.28, 123.675)}


@dataclass(frozen=True)
class InputSettings:
    """What a config does to images, and what it calls that."""

    order: str  # of the channels that the network gets, "RGB" or "BGR"
    mean: Sequence[float]  # subtracted from the channels, in that order
    std: Sequence[float]  # divides the channels after that
    keys: tuple[str, str, str]  # what the config calls order, mean and std


def check_input(images: Sequence[Tensor], settings: InputSettings, *, unit_std: bool) -> Finding:
    """The values of a batch after normalisation. Weights whose input is known have compared it with
    the settings when they were loaded.

    Args:
        images: (C, H, W) each, before it, channels in the order of ``settings``.
        settings: how they are normalised.
        unit_std: whether the weights that training starts from need a deviation near 1, as all
            published ResNeSts do (Microsoft's ResNets are trained on a std of 1, on 0 to 255).
    """
    channels, (_, mean_key, std_key) = {len(image) for image in images}, settings.keys
    if channels != {len(settings.mean)} or channels != {len(settings.std)}:
        return Finding("input", "error", f"images have {sorted(channels)} channels, {mean_key} "
                       f"{len(settings.mean)} values and {std_key} {len(settings.std)}. Give a "
                       "value for each channel.")
    values = torch.cat([image.flatten(1).double().cpu() for image in images], dim=1)
    if not values.isfinite().all():
        return Finding("input", "error", "images hold values that are no numbers (NaN, infinite).")
    mean, std = (torch.tensor([list(numbers)], dtype=torch.float64).T
                 for numbers in (settings.mean, settings.std))
    scaled = (values - mean) / std
    deviation = scaled.std(dim=1)
    seen = f"mean {_rounded(scaled.mean(dim=1))}, std {_rounded(deviation)} after normalisation"
    problem = _range_problem(values.max().item(), settings) or _order_problem(settings)
    if problem:
        return Finding("input", "error", f"{seen}; {problem}")
    if deviation.max() > 5 and (unit_std or max(settings.std) != 1):
        return Finding("input", "error" if unit_std else "warning", f"{seen}; that is far from 1: "
                       f"{settings.keys[2]} is {list(settings.std)}. ResNeSt weights need "
                       "[58.395, 57.12, 57.375] in RGB.")
    if deviation.max() < 0.05:
        return Finding("input", "warning", f"{seen}; the images are almost of one colour: look at "
                       "the data.")
    return Finding("input", "fine", f"{seen}.")


def _range_problem(top: float, settings: InputSettings) -> str:
    mean, std, (_, mean_key, std_key) = list(settings.mean), list(settings.std), settings.keys
    if 0 < top <= 1 < max(mean):
        return (f"the images are 0 to 1, and {mean_key} {mean} is for 0 to 255. Give images of 0 "
                f"to 255, or divide {mean_key} and {std_key} by 255.")
    if top > 2 and 0 < max(mean) <= 1 and max(std) <= 1:
        return (f"the images are 0 to {top:.0f}, and {mean_key} {mean}, {std_key} {std} are for 0 "
                "to 1. Multiply both by 255.")
    return ""


def _order_problem(settings: InputSettings) -> str:
    other = settings.order[::-1]
    if other not in _IMAGENET_MEAN or len(settings.mean) != 3 or not all(
            abs(a - b) <= 1 for a, b in zip(settings.mean, _IMAGENET_MEAN[other])):
        return ""
    order_key, mean_key, _ = settings.keys
    return (f"{order_key} gives {settings.order}, and {mean_key} {list(settings.mean)} is in the "
            f"order of {other}. Turn one of them around.")


def check_norms(model: nn.Module, *, images: int, processes: int) -> Finding:
    """Batch norms that learn, and over how many images.

    Args:
        model: in training mode.
        images: in the batch of one process.
        processes: that train together.
    """
    groups: dict[tuple[str, int], set[str]] = {}
    for name, norm in model.named_modules():
        if isinstance(norm, _BatchNorm) and norm.training and any(
                parameter.requires_grad for parameter in norm.parameters()):
            kind = type(norm).__name__
            together = (isinstance(norm, (SyncBatchNorm, nn.SyncBatchNorm))
                        or kind == "NaiveSyncBatchNorm")  # detectron2's
            count = images * (processes if together else 1)
            groups.setdefault((kind, count), set()).add(name.split(".")[0])
    small = [f"{kind} in {', '.join(sorted(parts))} over {count}"
             for (kind, count), parts in groups.items() if count < _LEAST_IMAGES]
    if small:
        return Finding("norms", "warning", f"batch statistics of fewer than {_LEAST_IMAGES} images "
                       f"({'; '.join(small)}) cost accuracy: SyncBN over more devices, GN or "
                       "FrozenBN avoid it.")
    text = "; ".join(f"{kind} over {count} images" for kind, count in groups)
    return Finding("norms", "fine", f"{text or 'no batch norm learns'}.")


def check_learning_rate(rate: float, *, images: int, reference: tuple[float, int], key: str,
                        accumulation: str = "", parts: int = 1,
                        clipped: bool = False) -> Finding:
    """The learning rate against the linear rule (arXiv 1706.02677).

    Args:
        rate: of the config.
        images: in a batch of all processes.
        reference: a rate, and the images that it is for.
        key: what the config calls the rate.
        accumulation: the settings that make steps of {images} images in {parts} parts, for a rate
            of {rate}; "" where there are none.
        parts: of a step as it is.
        clipped: whether gradients are, which bears higher rates (arXiv 1905.11881).
    """
    wanted = reference[0] * images / reference[1]
    text = f"{key} is {rate:g} for {images} images a batch"
    if not (math.isfinite(rate) and rate > 0):
        return Finding("learning rate", "error", f"{text}: nothing would be learned. "
                       f"The linear rule gives {wanted:g}.")
    most, more = reference[1], ""
    if accumulation and images < most and parts * most % images == 0:
        given = accumulation.format(images=most, parts=parts * most // images, rate=reference[0])
        more = f" {given} makes steps of {most} images with the memory of these."
    if not 0.5 <= rate / wanted <= (4 if clipped else 2):
        return Finding("learning rate", "warning", f"{text}, {rate / wanted:.3g} times what the "
                       f"linear rule gives ({reference[0]:g} for {most}: {wanted:g}).{more}")
    bears = " Clipped gradients bear more." if rate > 2 * wanted else ""
    return Finding("learning rate", "fine",
                   f"{text}; the linear rule gives {wanted:g}.{bears}{more}")


def check_weights(backbone: nn.Module, loaded: tuple[tuple[int, int], tuple[int, int]] | None, *,
                  key: str) -> Finding:
    """How much of the model does not start from random weights.

    Args:
        backbone: which may have frozen parts.
        loaded: weights loaded, and all there are, of the backbone and of the rest; or None.
        key: what the config calls the weights.
    """
    if loaded is not None:
        backbone_share, rest_share = (f"{100 * part // max(whole, 1)}% ({part} of {whole})"
                                      for part, whole in loaded)
        return Finding("weights", "fine", f"backbone {backbone_share}, heads {rest_share} loaded.")
    frozen = [name for name, p in backbone.named_parameters() if not p.requires_grad]
    if frozen:
        return Finding("weights", "error", f"{key} names none, and {len(frozen)} weights of the "
                       f"backbone ({frozen[0]}, ...) are frozen: they would stay random. Name "
                       "weights, or freeze nothing.")
    return Finding("weights", "warning", "all are random: nothing was loaded. That needs a "
                   "schedule several times as long as one from ImageNet weights.")


def log_and_raise(findings: Sequence[Finding], everywhere: Iterable[Sequence[Finding]],
                  log: Callable[[int, str], None], *, switch: str, proceed: bool) -> None:
    """Logs a line for each finding, and stops the run at an error: in all processes or in none, as
    one alone would leave the others waiting.

    Args:
        findings: of this process.
        everywhere: of all processes, this one too.
        log: gets the level of each line (INFO, or WARNING for a concern) and the line.
        switch: what lets training go on.
        proceed: whether that is set.

    Raises:
        ResNeStError: an error, unless ``proceed``.
    """
    errors = {finding.kind: finding for found in (*everywhere, findings) for finding in found
              if finding.severity == "error"}
    lines = {f"Preflight, {finding}": finding for finding in [*findings, *errors.values()]}
    for line, finding in lines.items():
        log(logging.INFO if finding.severity == "fine" else logging.WARNING, line)
    if errors and not proceed:
        wrong = " ".join(f"Preflight, {finding}" for finding in errors.values())
        raise ResNeStError(f"{wrong} To train all the same, give {switch}.")


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 2) for value in values.tolist()]
