"""What is exported: a graph, what it says of itself, and the model that it must agree with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

import resnest_dense
from resnest_dense.errors import ResNeStValueError
from resnest_dense.nn.spatial.deform import DeformConv2d
from resnest_dense.runtime.contract import Contract

__all__ = ["Options", "Subject", "input_of", "normalised"]


@dataclass(frozen=True)
class Options:
    """What of a model is exported, and how.

    Args:
        fused: whether its norms are folded (:func:`resnest_dense.fuse`).
        backbone: the backbone alone, with its pyramid where it has one.
        preprocess: "inside": the graph takes uint8 in RGB; "outside": normalised float32.
        precision: see :data:`resnest_dense.exporting.table.PRECISIONS`.
        score: least score of a detection; the config's when None.
        suppression: greatest overlap of two detections of a class; the config's when None.
        detections: the most of an image; the config's when None.
        classes: file with a detector's classes; None for those beside the checkpoint.
    """

    fused: bool = True
    backbone: bool = False
    preprocess: Literal["outside", "inside"] = "outside"
    precision: Literal["float32", "float16", "int8"] = "float32"
    score: float | None = None
    suppression: float | None = None
    detections: int | None = None
    classes: str | None = None

    def __post_init__(self) -> None:
        for name in ("score", "suppression"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ResNeStValueError(f"{name}={value}: use a number from 0 to 1.")
        if self.detections is not None and self.detections < 1:
            raise ResNeStValueError(f"detections={self.detections}: use at least 1.")
        if self.preprocess not in ("outside", "inside"):
            raise ResNeStValueError(f"preprocess={self.preprocess!r}: use 'outside' or 'inside'.")


@dataclass(frozen=True)
class Subject:
    """A model in the form in which it is exported.

    Args:
        family: its row in :mod:`resnest_dense.exporting.table`.
        graph: in eval mode; images (N, 3, H, W), of a detector sizes (N, 2) int64 too -> a tuple.
        outputs: names of what the graph gives.
        contract: what the file will say of itself.
        eager: the model in its framework's own code, which takes and gives the same.
        pictures: files of the set that it is validated on, if they are there.
        training: gives files of the set that it was trained on, if they are there.
    """

    family: str
    graph: nn.Module
    outputs: tuple[str, ...]
    contract: Contract
    eager: Callable[..., tuple[Tensor, ...]]
    pictures: Sequence[Path] = ()
    training: Callable[[], Sequence[Path]] = tuple

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what the graph takes."""
        return ("images", "sizes") if self.contract.detects else ("images",)

    @property
    def deformable(self) -> bool:
        """Whether it has deformable convolutions, which not every format knows."""
        return any(isinstance(module, DeformConv2d) for module in self.graph.modules())

    def example(self) -> tuple[Tensor, ...]:
        """Inputs to trace with: two images of odd sides, so that nothing is taken for constant."""
        divisor = self.contract.size_divisor
        height, width = 5 * divisor if divisor > 1 else 97, 7 * divisor if divisor > 1 else 129
        images = torch.randint(256, (2, 3, height, width), dtype=torch.uint8,
                               generator=torch.Generator().manual_seed(0))
        if self.contract.preprocess == "outside":
            images = images / 64.0 - 2
        sizes = torch.tensor([[height - 9, width - 1], [height, width - 13]])
        return (images, sizes) if "sizes" in self.inputs else (images,)


def input_of(order: str, mean: Sequence[float], std: Sequence[float], options: Options
             ) -> dict[str, Any]:
    """What every contract says: the channels' order, their mean and deviation of 0..255, and what
    the options have chosen."""
    return dict(package=resnest_dense.__version__, channel_order=order, mean=tuple(mean),
                std=tuple(std), preprocess=options.preprocess, precision=options.precision)


class _Inside(nn.Module):
    """A graph with its pre-processing: colour order, mean and deviation, padding.

    Shape:
        (N, 3, H, W) uint8 RGB, and the rest of what the graph takes
    """

    mean: Tensor
    std: Tensor

    def __init__(self, graph: nn.Module, contract: Contract):
        super().__init__()
        self.graph, self.contract = graph, contract
        self.register_buffer("mean", torch.tensor(contract.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(contract.std)[:, None, None])

    def forward(self, images: Tensor, *sizes: Tensor) -> tuple[Tensor, ...]:
        images = images.to(torch.float32)
        if self.contract.channel_order == "BGR":
            images = torch.stack(images.unbind(1)[::-1], 1)
        images = (images - self.mean) / self.std
        for side, axis in enumerate((2, 3)):
            if sizes:  # what was padded is not part of an image
                there = torch.arange(images.shape[axis], device=images.device) < sizes[0][:, side,
                                                                                          None]
                shape = (-1, 1, images.shape[2], 1) if axis == 2 else (-1, 1, 1, images.shape[3])
                images = torch.where(there.reshape(shape), images, self.contract.pad_value)
        return self.graph(images, *sizes)


def normalised(graph: nn.Module, contract: Contract) -> nn.Module:
    """The graph that ``contract.preprocess`` asks for, of one that takes normalised images."""
    return graph if contract.preprocess == "outside" else _Inside(graph, contract)
