"""An exported file run by its own runtime against the model that it was made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from resnest_dense.exporting.accuracy import Scores
from resnest_dense.exporting.compare import Difference, compare, limits_of
from resnest_dense.exporting.files import Run
from resnest_dense.exporting.pictures import shrink
from resnest_dense.exporting.subject import Subject
from resnest_dense.runtime.images import batch_images, target_size

__all__ = ["BATCHES", "SIDES", "Report", "check"]

SIDES = (160, 224, 320)  # pixels of the shorter side, of
BATCHES = (1, 2, 5)  # so many images


@dataclass(frozen=True)
class Report:
    """What a check has found.

    Args:
        images: what it was tried on, in words.
        shapes: of the batches, (N, H, W).
        difference: the worst of all batches.
        failures: in words; empty where all is well.
        before: scores in float32, where they were measured.
        after: those of the file.
    """

    images: str
    shapes: tuple[tuple[int, ...], ...]
    difference: Difference
    failures: tuple[str, ...]
    before: Scores = field(default_factory=dict)
    after: Scores = field(default_factory=dict)

    def with_scores(self, before: Scores, after: Scores, most_loss: float) -> "Report":
        """The report with scores, of which none may lose more than so many points."""
        lost = tuple(f"{name} falls from {before[name]:.2f} to {after[name]:.2f}, where "
                     f"{most_loss:g} points are the most" for name in before
                     if not after[name] >= before[name] - most_loss)
        return replace(self, before=before, after=after, failures=self.failures + lost)

    def content(self) -> Mapping[str, Any]:
        """What is kept with the file."""
        return {"images": self.images, "shapes": [list(shape) for shape in self.shapes],
                "compared": self.difference.compared, "unmatched": self.difference.unmatched,
                "worst": _rounded(self.difference.worst),
                "failures": list(self.failures),
                "scores": {"float32": _rounded(self.before), "file": _rounded(self.after)}}

    def __str__(self) -> str:
        worst = ", ".join(f"{name} {value:.3g}" for name, value in self.difference.worst.items())
        batches = sorted({shape[0] for shape in self.shapes})
        count = f"{self.difference.compared} values compared"
        scores = "".join(f" {name} {value:.2f}" + (
            f" ({self.before[name]:.2f} in float32)." if self.before else ".")
            for name, value in self.after.items())
        return (f"Checked in its own runtime on {self.images}, {len(self.shapes)} batches of "
                f"{', '.join(map(str, batches))}: {worst or 'nothing found in them'} at worst, "
                f"{count}.{scores}")


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in values.items()}


def check(subject: Subject, run: Run, pictures: Sequence[np.ndarray], images: str) -> Report:
    """Runs a file and its model on batches of pictures of three sizes; the file on blank ones too,
    before and after.

    Args:
        subject: the model.
        run: the file.
        pictures: RGB uint8, of any size.
        images: what these are, in words.
    """
    contract, difference, shapes = subject.contract, Difference(), []
    outside = replace(contract, preprocess="outside")
    for batch in _batches(subject, pictures):
        arrays = {"images": batch_images(batch, contract),
                  "sizes": np.array([image.shape[:2] for image in batch], np.int64)}
        found = run({name: arrays[name] for name in subject.inputs})
        shapes.append((len(batch), *arrays["images"].shape[2:]))
        if not any(image.any() for image in batch):
            continue  # where all places are the same, a rounding decides which is the best
        given = dict(arrays, images=batch_images(batch, outside))
        with torch.no_grad():
            expected = subject.eager(*(torch.from_numpy(given[name]) for name in subject.inputs))
        compare(found, {name: value.numpy() for name, value in zip(subject.outputs, expected)},
                contract, difference)
    return Report(images, tuple(shapes), difference,
                  tuple(difference.failures(limits_of(contract.precision))))


def _batches(subject: Subject, pictures: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    resize = subject.contract.resize
    # No size beyond those that the model is for.
    largest = min(target_size(pictures[0].shape[:2], resize))
    scale = 1.0 if resize.policy == "none" else min(1.0, largest / SIDES[-1])
    batches, number = [], 0
    for side, count in zip(SIDES, BATCHES):
        chosen = [pictures[(number + i) % len(pictures)] for i in range(count)]
        batches.append([shrink(picture, round(side * scale), resize.filter) for picture in chosen])
        number += count
    blank = [np.zeros((SIDES[0], SIDES[0], 3), np.uint8)]
    return [blank, *batches, blank]
