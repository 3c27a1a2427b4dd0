"""The stage table against recipes.md 3.5, 4.1 and 4.7, written out by hand."""

import pytest

from resnest_dense.nn.stages import plan_stages

# (stride, pool, first dilation, dilation) of res2, res3, res4, res5
EXPECTED = {
    (32, "official"): [(1, False, 1, 1), (2, True, 1, 1), (2, True, 1, 1), (2, True, 1, 1)],
    (16, "official"): [(1, False, 1, 1), (2, True, 1, 1), (2, True, 1, 1), (1, True, 1, 2)],
    (8, "official"): [(1, False, 1, 1), (2, True, 1, 1), (1, True, 1, 2), (1, True, 2, 4)],
    (16, "mmseg"): [(1, False, 1, 1), (2, True, 1, 1), (2, True, 1, 1), (1, False, 1, 2)],
    (8, "mmseg"): [(1, False, 1, 1), (2, True, 1, 1), (1, False, 1, 2), (1, False, 2, 4)],
    (16, "detectron2"): [(1, False, 1, 1), (2, True, 1, 1), (2, True, 1, 1), (1, False, 2, 2)],
    (8, "detectron2"): [(1, False, 1, 1), (2, True, 1, 1), (1, False, 2, 2), (1, False, 4, 4)],
}


@pytest.mark.parametrize("key", EXPECTED, ids=str)
def test_plan(key):
    plans = plan_stages(*key)
    assert [(p.stride, p.pool, p.first_dilation, p.dilation) for p in plans] == EXPECTED[key]
