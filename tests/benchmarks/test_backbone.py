"""The backbone benchmark: it runs, and compares the same numbers alone."""

import json

import pytest

from benchmarks import backbone
from benchmarks.case import (
    Case,
    Row,
    build,
    check,
    draw_input,
    draw_state,
    expected_features,
    step_of,
)
from benchmarks.networks import candidates_for
from benchmarks.record import save_case
from benchmarks.targets import target_table

SMALL = Case("resnest50", False, "float32", (1, 32, 64), "cpu")


@pytest.fixture(scope="module")
def weights():
    return draw_state(SMALL)


def names(kind):
    return [name for name, candidate in candidates_for("resnest50", training=False).items()
            if candidate.kind == kind]


@pytest.mark.parametrize("name", names("peer"))
def test_every_peer_puts_out_the_same_numbers(weights, name):
    row = Row(name, "channels last")
    features = step_of(SMALL, build(SMALL, row, weights), draw_input(SMALL, row.layout))()
    expected = expected_features(SMALL, weights)
    assert check(SMALL, row, features, expected) < 1e-4
    with pytest.raises(RuntimeError, match=name):
        check(SMALL, row, [1.01 * feature for feature in features], expected)


@pytest.mark.long
@pytest.mark.parametrize("arguments", [
    ["--phase", "eval", "--dtype", "bfloat16"],
    ["--phase", "train", "--only", "ours", "timm", "--layouts", "channels last"],
], ids=["eval", "train"])
def test_quick_mode_records_and_writes_the_page(arguments, tmp_path, monkeypatch):
    # A process takes seconds to start; tests/benchmark shows that it tells the peak.
    monkeypatch.setattr(backbone, "in_own_process", lambda function, *args: function(*args))
    out = tmp_path / "backbone.json"
    backbone.main([*arguments, "--quick", "--device", "cpu", "--out", str(out)])
    [case] = json.loads(out.read_text())
    rows = {row["name"]: row for row in case["rows"].values()}
    assert {"ours", "timm", "convolutions alone"} <= set(rows)
    assert all(row["seconds"][0] > 0 for row in rows.values())
    assert sum(rows["ours"]["shares"].values()) == pytest.approx(1)
    assert rows["timm"]["peak_bytes"] >= 0
    assert "| timm | channels last |" in out.with_suffix(".md").read_text()


def test_times_of_a_case_are_of_one_run(tmp_path):
    path = tmp_path / "record.json"
    rows = {"a": {"seconds": 1, "bytes": 5}, "b": {"seconds": 2}}
    save_case(path, {"size": 1, "rows": rows}, ["size"])
    [case] = save_case(path, {"size": 1, "rows": {"a": {"seconds": 3}}}, ["size"])
    assert case["rows"] == {"a": {"seconds": 3, "bytes": 5}, "b": {}}
    assert len(save_case(path, {"size": 2, "rows": {}}, ["size"])) == 2


def test_targets_are_read_from_the_record():
    def row(name, kind, layout, seconds, peak):
        return dict(name=name, kind=kind, layout=layout, compiled=False, seconds=[seconds],
                    peak_bytes=peak)

    rows = [row("ours", "ours", "channels last", 2.0, 80),
            row("ours", "ours", "channels first", 3.0, 90),
            row("timm", "peer", "channels first", 2.2, 100)]
    case = dict(architecture="resnest50", training=True, dtype="float32", size=[2, 320, 480],
                device="cpu", autocast=False, compiled=False, rows=dict(enumerate(rows)))
    lines = [line.split(" | ") for line in target_table([case]).splitlines()]
    reached = {line[1]: line[2:] for line in lines
               if line[0] == "| resnest50" and line[1].startswith("training")}
    assert list(reached.values()) == [["at least 1.25", "1.10", "by 0.15 |"],
                                      ["at most 0.85", "0.80", "no |"],
                                      ["at most 1.0", "0.67", "no |"]]
