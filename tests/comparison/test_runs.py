"""Runs: finished ones are kept, open ones begun, one a place; failures and Ctrl-C stop all."""

import os
import signal
import threading
import time

import pytest
import torch
from quick_recipe import QuickRecipe

from resnest_dense.comparison import Member, compare
from resnest_dense.comparison.runs import Run, devices, train_all
from resnest_dense.errors import ResNeStError

A, B = Member("resnet14d"), Member("sknet14")


def run(out, recipe=None, members=(A, B), seeds=2):
    return compare(recipe or QuickRecipe(), members, config="quick", seeds=seeds, out=out, rounds=0)


def starts(out):
    return {str(path.parent.relative_to(out)): len(path.read_text().splitlines())
            for path in out.glob("*/*/starts")}


def test_each_member_has_each_seed_once(tmp_path, capsys):
    found = run(tmp_path)
    assert [(row.member, row.scores["box AP"]) for row in found.rows] == [
        (A, [20, 21]), (B, [10, 11])]
    assert starts(tmp_path) == dict.fromkeys(
        ["resnet14d/seed0", "resnet14d/seed1", "sknet14/seed0", "sknet14/seed1"], 1)
    assert "sknet14, seed 1: box AP 11.00, mask AP 1.00" in capsys.readouterr().out
    # A seed and a member more: the rest is kept.
    third = Member("resnest14")
    again = run(tmp_path, members=(A, B, third), seeds=3)
    assert set(starts(tmp_path).values()) == {1} and len(starts(tmp_path)) == 9
    assert again.rows[0].scores["box AP"] == [20, 21, 22]
    assert "9 runs, 4 of them finished before" in capsys.readouterr().out


def test_a_failure_keeps_what_is_finished(tmp_path):
    with pytest.raises(ResNeStError, match="exit code 1: error: the data are gone") as error:
        run(tmp_path, QuickRecipe(how={("resnet14d", 1): "fail"}))
    assert "resnet14d/seed1/output.txt" in str(error.value)
    before = starts(tmp_path)
    assert before == {"resnet14d/seed0": 1, "sknet14/seed0": 1, "resnet14d/seed1": 1}
    assert run(tmp_path).rows[0].scores["box AP"] == [20, 21]
    assert starts(tmp_path) == {**before, "resnet14d/seed1": 2, "sknet14/seed1": 1}


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_of_other_settings_is_an_error(tmp_path, finished):
    if finished:
        run(tmp_path)
    else:
        with pytest.raises(ResNeStError):
            run(tmp_path, QuickRecipe(how="fail"))
    before = starts(tmp_path)
    with pytest.raises(ResNeStError, match=r"solver\.rate 0\.1 -> 0\.2") as error:
        run(tmp_path, QuickRecipe(rate=0.2))
    assert "resnet14d/seed0" in str(error.value) and starts(tmp_path) == before


def test_a_state_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "sknet14/seed1").mkdir(parents=True)
    (tmp_path / "sknet14/seed1/run.json").write_text("{")
    with pytest.raises(ResNeStError, match=r"sknet14/seed1/run\.json does not say"):
        run(tmp_path)
    assert not starts(tmp_path)


def test_a_member_that_the_recipe_cannot_run_is_refused_first(tmp_path):
    with pytest.raises(ResNeStError, match="sknet14: SPATIAL is fixed"):
        run(tmp_path, QuickRecipe(how="no sk"))
    assert not starts(tmp_path)


@pytest.mark.parametrize("seeds", [0, -1, 21])
def test_counts_of_seeds_that_make_no_sense(tmp_path, seeds):
    with pytest.raises(ResNeStError, match=f"--seeds {seeds}: use a number from 1 to 20"):
        run(tmp_path, seeds=seeds)


def test_what_was_trained_but_not_measured_is_measured(tmp_path):
    found = run(tmp_path, QuickRecipe(how="unmeasured"))
    assert found.rows[1].scores["box AP"] == [10, 11]
    assert set(starts(tmp_path).values()) == {2}


def _runs(out, *names):
    for name in names:
        (out / name).mkdir()
    return [Run(name, 0, out / name / "config.txt", {}) for name in names]


def test_places_work_at_a_time(tmp_path):
    told = []
    train_all(_runs(tmp_path, "one", "two"), QuickRecipe(how="together"),
              [{"CUDA_VISIBLE_DEVICES": "3"}, {"CUDA_VISIBLE_DEVICES": "5"}],
              lambda run, scores: told.append(run.network))
    used = [path.read_text().strip() for path in tmp_path.glob("*/seed0/starts")]
    assert sorted(used) == ["3", "5"] and sorted(told) == ["one", "two"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_processes(tmp_path, number):
    if number == signal.SIGINT:  # which shells let background jobs ignore
        signal.signal(number, signal.default_int_handler)
    begun = time.monotonic()
    threading.Timer(1.0, os.kill, (os.getpid(), number)).start()
    with pytest.raises(KeyboardInterrupt):
        train_all(_runs(tmp_path, "one", "two"), QuickRecipe(how="sleep"), [{}, {}],
                  lambda *_: None)
    assert time.monotonic() - begun < 30 and len(starts(tmp_path)) == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("count,visible,expected", [
    (0, None, [{}]), (0, "", [{}]), (2, None, ["0", "1"]), (2, "4, 7", ["4", "7"])])
def test_devices_are_those_that_are_visible(monkeypatch, count, visible, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices() == [{"CUDA_VISIBLE_DEVICES": name} if name else {} for name in expected]
