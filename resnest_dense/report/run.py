"""What the folder of a run holds, whichever framework trained it: one record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnest_dense.report.logs import Curve, Message
from resnest_dense.report.measures.pixels import PixelScores

__all__ = ["InstanceFiles", "Run"]


@dataclass(frozen=True)
class InstanceFiles:
    """A set of COCO's format on which a detector has been measured.

    Args:
        name: of the set.
        truth: its annotations.
        images: folder of its images.
        results: what was found at the last evaluation, in COCO's format.
        fingerprint: of the annotations when training started.
        limit: detections of a class in an image that count.
        sigmas: of the keypoints, where they are not COCO's.
    """

    name: str
    truth: Path
    images: Path
    results: Path
    fingerprint: str
    limit: int = 100
    sigmas: Sequence[float] = ()


@dataclass(frozen=True)
class Run:
    """One run, finished or not.

    Args:
        folder: of the run.
        framework: its name.
        start: the last line of :data:`resnest_dense.training.record.RECORD`.
        starts: how many there are.
        done: steps that are in the log.
        wanted: steps that the config asks for.
        unit: of both, "iterations" or "epochs".
        panels: curves by name, by what a panel of the figure is called.
        scores: of the last validation in the log, by metric.
        scored_at: its iteration; None where there is none.
        messages: what the preflight and the checks said.
        costs: what was measured of speed and memory, in words; None for what was not.
        instances: sets on which a detector has been measured.
        pixels: what a segmentor does on its validation set; None for a detector, and where it could
            not be run.
        absent: why figures are not there, by what is lacking.
    """

    folder: Path
    framework: str
    start: Mapping[str, Any]
    starts: int
    done: int
    wanted: int | None
    unit: str
    panels: Mapping[str, Mapping[str, Curve]]
    scores: Mapping[str, float]
    scored_at: int | None
    messages: Sequence[Message]
    costs: Mapping[str, str | None]
    instances: Sequence[InstanceFiles] = ()
    pixels: PixelScores | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
