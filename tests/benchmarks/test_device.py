"""The run on a lent GPU: what is done stays recorded, whatever fails or has no time."""

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import device
from benchmarks.device import STEPS, Session

SCRIPT = Path(device.__file__).with_suffix(".sh")


@pytest.fixture
def session(tmp_path):
    return Session("kernels", tmp_path, 60, True, "cpu")


def recorded(session):
    return json.loads(session.path.read_text())[session.step]


def test_what_fails_is_recorded_and_the_next_goes_on(session):
    assert session.measure("bad", lambda: 1 / 0) is None
    assert session.measure("good", lambda: {"ms": 2.0}) == {"ms": 2.0}
    assert "division" in recorded(session)["bad"]["failed"]
    assert "Traceback" in recorded(session)["bad"]["traceback"]
    assert recorded(session)["good"]["ms"] == 2.0


def test_nothing_starts_when_there_is_no_time(session):
    session.end = 0
    assert session.measure("late", pytest.fail) is None
    assert "skipped" in recorded(session)["late"]


def test_steps_share_a_file(session, tmp_path):
    session.record("a", 1)
    Session("demo", tmp_path, 60, True, "cpu").record("b", 2)
    assert json.loads(session.path.read_text()) == {"kernels": {"a": 1}, "demo": {"b": 2}}


def test_a_step_that_fails_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setitem(STEPS, "rest", lambda session: 1 / 0)
    device.main(["rest", "--out", str(tmp_path), "--quick", "--device", "cpu"])
    results = json.loads((tmp_path / "results.json").read_text())
    assert "division" in results["rest"]["failed"]["failed"]


def test_the_script_has_a_time_for_every_step():
    text = SCRIPT.read_text()
    assert all(f"[{step}]=" in text for step in STEPS)
    assert f"order=({' '.join(STEPS)})" in text
    assert subprocess.run([SCRIPT], capture_output=True).returncode == 2
