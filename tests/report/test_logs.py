"""Rows and records of logs, as the frameworks and kills leave them."""

import json

import pytest

from resnest_dense.report.logs import curve, last_row, read_log, read_rows


def test_rows(tmp_path):
    path = tmp_path / "metrics.json"
    assert read_rows(path) == []
    rows = [{"iteration": 0, "loss": 3.0}, {"iteration": 20, "loss": 2.0}, {"iteration": 20,
            "loss": 1.0}, {"iteration": 20, "AP": float("nan"), "AP50": 7.0}]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows) + '{"iteration": 40, "lo')
    found = read_rows(path)
    assert curve(found, "loss", "iteration") == {0: 3.0, 20: 1.0}  # it was done again
    assert last_row(found, "iteration", ["AP"]) == (20, {"iteration": 20.0, "AP50": 7.0})
    assert last_row(found, "iteration", ["mIoU"]) == (None, {})


@pytest.mark.parametrize("text", [
    "[11/27 19:33:14] resnest_dense.d2 INFO: Data set x:\n 3 images\n"
    "[11/27 19:33:15] d2.engine WARNING: Preflight, norms: warning: few\n",
    "2026/11/27 20:15:58 - mmengine - INFO - Data set x:\n 3 images\n"
    "2026/11/27 20:15:58 - mmengine - WARNING - Preflight, norms: warning: few\n"])
def test_records(tmp_path, text):
    (tmp_path / "log").write_text(f"no record\n{text}")
    first, second = read_log(tmp_path / "log")
    assert (first.text, first.severity, first.subject) == (
        "Data set x:\n 3 images", "fine", "Data set x")
    assert (second.severity, second.subject) == ("warning", "Preflight, norms")
