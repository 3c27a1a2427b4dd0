"""A segmentor against the truth, pixel by pixel: confusion, calibration, borders, worst images."""

import heapq
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from resnest_dense.data.labels.scores import SegmentationScores, score_areas
from resnest_dense.report.measures.calibration import Reliability

__all__ = ["BORDER", "Confused", "PixelScores", "WorstImage"]

_TRIED = 50  # pairs of classes with the most pixels: the cost of each is reckoned
BORDER = 3  # pixels from a border between two labels that still are at it


@dataclass(order=True)
class WorstImage:
    """An image, and the class of each of its pixels, (H, W) uint8 each."""

    wrong: float  # share of its labelled pixels
    number: int
    path: Path
    truth: np.ndarray
    found: np.ndarray


class Confused(NamedTuple):
    """Pixels of one class that are taken for another one."""

    truth: int
    found: int
    pixels: int
    cost: float  # mean IoU that is won where they are right, in percent


class PixelScores:
    """Sums over a validation set.

    Args:
        classes: their names.
        source: the weights that are measured.
        palette: colour of each class; None for ours.
        ignore: the label of pixels that count nowhere.
        worst: how many of the worst images are kept.
    """

    def __init__(self, classes: tuple[str, ...], source: str, *,
                 palette: list[tuple[int, ...]] | None = None, ignore: int = 255, worst: int = 6):
        self.classes, self.source, self.palette = classes, source, palette
        self.reliability = Reliability()
        self.images = self.ignored = 0
        size = len(classes)
        self.counts, self.at_borders = np.zeros((size, size), int), np.zeros((size, size), int)
        self._ignore, self._kept = ignore, worst
        self._worst: list[WorstImage] = []

    def add(self, path: str | Path, truth: np.ndarray, found: np.ndarray,
            confidence: np.ndarray) -> None:
        """Adds an image.

        Args:
            path: of its file.
            truth: class, or the ignored label, of each pixel, (H, W).
            found: class of each pixel, (H, W).
            confidence: the probability of that class, 0 to 1, (H, W).
        """
        labelled = (truth != self._ignore) & (truth < len(self.classes))
        right = truth == found
        self.reliability.add(confidence[labelled], right[labelled])
        self.counts += self._count(truth, found, labelled)
        self.at_borders += self._count(truth, found, labelled & _near_borders(truth))
        self.images += 1
        self.ignored += int((~labelled).sum())
        if not labelled.any():
            return
        # Images with equal shares stay in their order.
        image = WorstImage(1 - float(right[labelled].mean()), -self.images, Path(path),
                           truth.astype(np.uint8), found.astype(np.uint8))
        (heapq.heappush if len(self._worst) < self._kept else heapq.heappushpop)(self._worst, image)

    @property
    def scores(self) -> SegmentationScores:
        """Of the whole set, as shares of 1."""
        return self._score(self.counts)

    @property
    def worst(self) -> list[WorstImage]:
        """The images with the largest shares of wrong pixels, the worst first."""
        return sorted(self._worst, reverse=True)

    def confused(self, most: int) -> list[Confused]:
        """The pairs of classes that cost most mean IoU, the worst first."""
        off = self.counts - np.diag(np.diag(self.counts))
        pairs = []
        for place in np.argsort(-off, axis=None, kind="stable")[:_TRIED]:
            row, column = np.unravel_index(place, off.shape)
            if off[row, column]:
                alone = np.zeros_like(off)
                alone[row, column] = off[row, column]
                pairs.append(Confused(int(row), int(column), int(off[row, column]),
                                      self._won(alone)))
        return heapq.nlargest(most, pairs, key=lambda pair: (pair.cost, pair.pixels))

    def border_cost(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The share of all wrong pixels, and the mean IoU in percent that is won where they are
        right: of those at borders between labels, and of those inside."""
        total = max(int(self.counts.sum() - self.counts.trace()), 1)
        border, inside = (((part.sum() - part.trace()) / total, self._won(part))
                          for part in (self.at_borders, self.counts - self.at_borders))
        return border, inside

    def _won(self, wrong: np.ndarray) -> float:
        """Mean IoU in percent that is won if these counted pixels were right."""
        off = wrong - np.diag(np.diag(wrong))
        fixed = self.counts - off + np.diag(off.sum(axis=1))
        return 100 * (self._score(fixed).mean_iou - self.scores.mean_iou)

    def _count(self, truth: np.ndarray, found: np.ndarray, where: np.ndarray) -> np.ndarray:
        size = len(self.classes)
        pairs = truth[where].astype(np.int64) * size + found[where]
        return np.bincount(pairs, minlength=size * size).reshape(size, size)

    def _score(self, counts: np.ndarray) -> SegmentationScores:
        return score_areas([np.stack([counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)])],
                           ignored=self.ignored)


def _near_borders(truth: np.ndarray) -> np.ndarray:
    """Where another label is at most :data:`BORDER` pixels away, in rows and columns."""
    image, side = Image.fromarray(truth.astype(np.uint8)), 2 * BORDER + 1
    lowest, highest = (np.asarray(image.filter(kind(side)))
                       for kind in (ImageFilter.MinFilter, ImageFilter.MaxFilter))
    return lowest != highest
