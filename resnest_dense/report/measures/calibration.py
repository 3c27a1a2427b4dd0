"""Whether a score is the share of what is right: reliability, and the expected calibration error.

Bins of equal width; the error is the mean gap between score and share, weighted by what a bin holds
(Guo et al. 2017, arXiv 1706.04599, equation 3).
"""

from dataclasses import dataclass, field

import numpy as np

__all__ = ["BINS", "Reliability"]

BINS = 10


def _zeros() -> np.ndarray:
    return np.zeros(BINS)


@dataclass
class Reliability:
    """Sums over what was predicted, in bins of its score from 0 to 1."""

    count: np.ndarray = field(default_factory=_zeros)
    scores: np.ndarray = field(default_factory=_zeros)
    right: np.ndarray = field(default_factory=_zeros)

    def add(self, scores: np.ndarray, right: np.ndarray) -> None:
        """Adds predictions: their scores, and whether each is right, of one shape."""
        scores = scores.ravel()
        place = np.clip((scores * BINS).astype(int), 0, BINS - 1)
        self.count += np.bincount(place, minlength=BINS)
        self.scores += np.bincount(place, weights=scores, minlength=BINS)
        self.right += np.bincount(place, weights=right.ravel().astype(float), minlength=BINS)

    @property
    def confidence(self) -> np.ndarray:
        """Mean score in each bin; NaN in an empty one."""
        with np.errstate(invalid="ignore"):
            return self.scores / self.count

    @property
    def accuracy(self) -> np.ndarray:
        """Share that is right in each bin; NaN in an empty one."""
        with np.errstate(invalid="ignore"):
            return self.right / self.count

    @property
    def error(self) -> float:
        """The expected calibration error, from 0 to 1; NaN where nothing was predicted."""
        total = self.count.sum()
        return float(np.abs(self.right - self.scores).sum() / total) if total else float("nan")
