"""The benchmark of the attention's steps runs."""

import pytest

from benchmarks import attention

pytestmark = pytest.mark.long


def test_every_step_of_every_implementation_at_every_stage(capsys):
    attention.main(["--size", "1", "64", "64", "--rounds", "1", "--device", "cpu"])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "| res" in line]
    assert len(rows) == 4 * (5 * 2 + 1)
    assert all(float(row[3]) > 0 and row[4].endswith("% |") for row in rows)
