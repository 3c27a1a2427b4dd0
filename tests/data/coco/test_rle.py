"""Our reading of COCO's run-length encoding against pycocotools."""

import numpy as np
import pytest
from pycocotools import mask as mask_util

from resnest_dense.data.coco.rle import rle_bounds, rle_runs
from resnest_dense.errors import ResNeStValueError


@pytest.mark.parametrize("density", [0.0, 0.001, 0.02, 0.5, 0.98, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (37, 53), (480, 640)])
def test_runs_and_bounds_equal_those_of_pycocotools(size, density):
    mask = np.random.default_rng(0).random(size) < density
    encoded = mask_util.encode(np.asfortranarray(mask, dtype=np.uint8))
    runs = rle_runs(encoded["counts"].decode(), mask.size)
    values = np.arange(len(runs)) % 2
    np.testing.assert_array_equal(np.repeat(values, runs).reshape(size, order="F"), mask)
    np.testing.assert_array_equal(rle_runs(runs.tolist(), mask.size), runs)
    x1, y1, x2, y2 = rle_bounds(runs, size[0])
    if mask.any():
        assert [x1, y1, x2 - x1, y2 - y1] == mask_util.toBbox(encoded).tolist()
    else:
        assert x1 > x2 and y1 > y2


def test_run_over_a_columns_end_spans_all_rows():
    assert rle_bounds(np.array([4, 2, 9]), 5) == (0, 0, 2, 5)


@pytest.mark.parametrize("counts, words", [
    ([10, 4], "14 pixels in all"),
    ([10, 4, 60], "74 pixels in all"),
    ([10, -4, 58], "negative"),
    ([], "0 pixels in all"),
    ("", "pycocotools has not written"),
    ("P", "pycocotools has not written"),
    ("é", "pycocotools has not written"),
    ("zzzzzzzz", "pycocotools has not written"),
    ("PPPPPPPPPPPP0", "too long"),
    ("P22", "66 pixels in all"),
])
def test_counts_of_no_mask_are_refused(counts, words):
    with pytest.raises(ResNeStValueError) as error:
        rle_runs(counts, 64)
    assert words in str(error.value)
