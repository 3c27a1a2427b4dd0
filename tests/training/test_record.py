"""What a run was started with, and ``resnest-dense diff-runs``."""

import json
import subprocess

import pytest
from torch import save, zeros

from resnest_dense import ResNeStError
from resnest_dense.cli import main
from resnest_dense.training.record import RECORD, differences, keep_record, read_record


@pytest.fixture
def start(tmp_path):
    """Starts a run in a folder of that name."""
    (tmp_path / "images/more").mkdir(parents=True)
    (tmp_path / "images/a.jpg").write_bytes(b"12")
    (tmp_path / "train.json").write_text("{}")
    save({"weight": zeros(2)}, tmp_path / "start.pth")

    def begin(name, **changed):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        keep_record(folder, **{**dict(
            seed=3, config={"SOLVER": {"BASE_LR": 0.1}, "OUTPUT_DIR": str(folder)},
            weights={"MODEL.WEIGHTS": str(tmp_path / "start.pth"), "load_from": None},
            data={"own_train": [tmp_path / "train.json", tmp_path / "images"]}), **changed})
        return folder

    return begin


def test_runs_that_were_started_alike(start, capsys):
    one, other = start("one"), start("other")
    assert differences(read_record(one), read_record(other)) == {}
    assert main(["diff-runs", str(one), str(other)]) == 0
    assert "started alike" in capsys.readouterr().out


def test_each_difference_is_named_with_both_values(start, tmp_path, capsys):
    one = start("one")
    (tmp_path / "images/more/b.jpg").write_bytes(b"1")
    (tmp_path / "train.json").write_text("[]")
    save({"weight": zeros(3)}, tmp_path / "start.pth")
    other = start("other", seed=4, config={"SOLVER": {"BASE_LR": 0.2}})
    found = differences(read_record(one), read_record(other))
    assert found["config.SOLVER.BASE_LR"] == (0.1, 0.2) and found["seed"] == (3, 4)
    assert set(found) == {"config.SOLVER.BASE_LR", "seed", "data.own_train",
                          "weights.MODEL.WEIGHTS.sha256"}
    sha256 = subprocess.check_output(["sha256sum", tmp_path / "start.pth"], text=True).split()[0]
    assert found["weights.MODEL.WEIGHTS.sha256"][1] == sha256
    assert "1 files" in found["data.own_train"][0][1] and "2 files" in found["data.own_train"][1][1]
    capsys.readouterr()
    assert main(["diff-runs", str(one), str(other), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == [3, 4]


def test_the_last_start_counts_and_all_are_kept(start):
    start("one")
    folder = start("one", seed=9)
    assert read_record(folder)["seed"] == 9
    assert len((folder / RECORD).read_text().splitlines()) == 2


@pytest.mark.parametrize("content,word", [(None, "holds no"), ("", "cannot be read"),
                                          ("{", "cannot be read")])
def test_a_folder_without_a_record(tmp_path, content, word):
    if content is not None:
        (tmp_path / RECORD).write_text(content)
    with pytest.raises(ResNeStError, match=word):
        read_record(tmp_path)
