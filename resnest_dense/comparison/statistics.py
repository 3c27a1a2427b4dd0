"""Which differences of scores are noise: an exact paired test over seeds."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["LEVEL", "MOST_SEEDS", "Difference", "compare_pairs", "least_p", "seeds_needed",
           "sign_flip_p", "spread"]

LEVEL = 0.05  # below which a corrected p says that members differ
MOST_SEEDS = 20  # the test counts 2 to that power of cases


@dataclass(frozen=True)
class Difference:
    """Two members, compared seed by seed.

    Args:
        one: name of a member.
        other: name of the member whose scores are subtracted.
        mean: of the differences, in the unit of the scores.
        spread: their standard deviation; NaN for a single seed.
        p: of the test of :func:`sign_flip_p`.
        corrected: the same, for all pairs of the comparison together (Holm).
    """

    one: str
    other: str
    mean: float
    spread: float
    p: float
    corrected: float

    @property
    def differs(self) -> bool:
        """Whether the difference is more than noise."""
        return self.corrected <= LEVEL


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p of the exact permutation test of paired differences (Fisher 1935): the share of
    all ways to turn their signs whose sum is at least as far from 0. NaN where one is NaN."""
    values = np.asarray(differences, dtype=float)
    if np.isnan(values).any():
        return math.nan
    signs = np.array(list(itertools.product((1, -1), repeat=len(values))), dtype=np.int8)
    sums = np.abs(signs @ values)
    # Sums that are equal on paper differ in the last digits.
    return float(np.mean(sums >= abs(values.sum()) - 1e-9 * np.abs(values).sum()))


def least_p(seeds: int) -> float:
    """What :func:`sign_flip_p` can give at best for so many seeds."""
    return 2.0 ** (1 - seeds)


def seeds_needed(pairs: int) -> int:
    """So few seeds can show a difference of one pair, corrected for all ``pairs``."""
    return next(n for n in itertools.count(1) if least_p(n) * pairs <= LEVEL)


def compare_pairs(scores: Mapping[str, Sequence[float]]) -> list[Difference]:
    """All pairs of members, each with its differences over seeds.

    Args:
        scores: of each member, one a seed, in the same order of seeds.
    """
    pairs = list(itertools.combinations(scores, 2))
    gaps = [[a - b for a, b in zip(scores[one], scores[other], strict=True)]
            for one, other in pairs]
    found = [sign_flip_p(gap) for gap in gaps]
    return [Difference(one, other, sum(gap) / len(gap), spread(gap), p, corrected)
            for (one, other), gap, p, corrected in zip(pairs, gaps, found, _holm(found))]


def spread(values: Sequence[float]) -> float:
    """The standard deviation of a sample; NaN for one of a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _holm(found: Sequence[float]) -> list[float]:
    """The p of several tests together (Holm 1979): the smallest times their number, and so on."""
    corrected, highest = [math.nan] * len(found), 0.0
    for rank, place in enumerate(sorted(range(len(found)), key=lambda i: found[i])):
        if not math.isnan(found[place]):
            highest = max(highest, min(1.0, (len(found) - rank) * found[place]))
            corrected[place] = highest
    return corrected
