"""The paired test against scipy's and against numbers worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from resnest_dense.comparison.statistics import (
    compare_pairs,
    least_p,
    seeds_needed,
    sign_flip_p,
    spread,
)


@pytest.mark.parametrize("seeds", range(2, 10))
def test_p_is_that_of_scipy(seeds):
    rng = np.random.default_rng(seeds)
    for shift in (0.0, 0.5, 2.0):
        one, other = rng.normal(shift, 1, seeds), rng.normal(0, 1, seeds)
        expected = stats.permutation_test(
            (one, other), lambda x, y, axis: np.mean(x - y, axis=axis), vectorized=True,
            permutation_type="samples", n_resamples=np.inf).pvalue
        assert sign_flip_p(one - other) == pytest.approx(expected, abs=1e-12)


# Of differences of one sign 2 of the 2^n cases are as far from 0; of (1, 1, 1, -1) all but the 6
# whose sum is 0; of those that sum to 0 themselves, all.
@pytest.mark.parametrize("differences,p", [
    ([5], 1), ([1, 2], 0.5), ([1, 2, 3], 0.25), ([0.1] * 6, 2 / 64), ([1, 2, -3], 1),
    ([1, 1, 1, -1], 10 / 16), ([0, 0, 0], 1), ([0.1, 0.2, -0.3], 1)])
def test_p_by_hand(differences, p):
    assert sign_flip_p(differences) == p


def test_what_was_not_measured_is_no_number():
    assert math.isnan(sign_flip_p([1, math.nan, 2]))
    [pair] = compare_pairs({"a": [1, math.nan], "b": [1, 2]})
    assert math.isnan(pair.corrected) and not pair.differs


def test_how_much_seeds_can_show():
    assert [least_p(n) for n in (1, 3, 6)] == [1, 0.25, 1 / 32]
    assert [seeds_needed(pairs) for pairs in (1, 3, 6)] == [6, 7, 8]


def test_pairs_are_paired_by_seed():
    # Seeds move all members far more than the networks differ.
    luck = np.array([0, 9, 4, 7, 1, 5, 3, 8])
    found = compare_pairs({"a": list(luck + 1), "b": list(luck), "c": list(luck)})
    assert [(pair.one, pair.other, pair.mean, pair.spread) for pair in found] == [
        ("a", "b", 1, 0), ("a", "c", 1, 0), ("b", "c", 0, 0)]
    # Holm: 3 and 2 times 2/256, and no smaller than the one before it.
    assert [pair.corrected for pair in found] == [6 / 256, 6 / 256, 1]
    assert [pair.differs for pair in found] == [True, True, False]


def test_spread_is_of_a_sample():
    assert spread([1.0, 2.0, 4.0]) == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert math.isnan(spread([1.0]))
