"""Checkpoints that are damaged, cut off, half written, too many, or refused by the disk."""

import logging
import os
import re
import resource
import shutil
import signal

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

import resnest_dense.mmseg  # noqa: F401  patches mmengine's loader
from resnest_dense import ResNeStError
from resnest_dense.training.checkpoints import Checkpoints, is_whole, write_checkpoint
from resnest_dense.training.faults import faults_told
from resnest_dense.weights.files import read_checkpoint

CONTENT = {"model": {"w": torch.arange(5000.0)}, "iteration": 3}


@pytest.fixture
def files(tmp_path):
    return Checkpoints(tmp_path, re.compile(r"model_(\d+|final)\.pth"))


def write(files, *names):
    for name in names:
        write_checkpoint(CONTENT, files.folder / name)
        files.note_last(files.folder / name)


def damage(path, kind):
    content = bytearray(path.read_bytes())
    if kind == "one bit":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut off": content[:-300], "empty": b"", "half": content[:9000],
                      "zeros": bytes(len(content)), "one bit": content}[kind])


def test_a_checkpoint_is_read_as_ever_and_knows_that_it_is_whole(files):
    write(files, "model_1.pth")
    path = files.folder / "model_1.pth"
    assert is_whole(path) and is_whole(shutil.copy(path, files.folder / "copy.pth"))
    for mmap in (False, True):
        assert torch.equal(torch.load(path, mmap=mmap)["model"]["w"], CONTENT["model"]["w"])
    assert read_checkpoint(path).others["iteration"] == 3
    damage(path, "one bit")
    for load in (read_checkpoint, CheckpointLoader.load_checkpoint):
        with pytest.raises(ResNeStError, match="model_1.pth is damaged"):
            load(str(path))
    torch.save(CONTENT, path)  # of another program, without a digest
    assert is_whole(path)
    damage(path, "one bit")
    assert not is_whole(path)


@pytest.mark.parametrize("kind", ["one bit", "cut off", "empty", "half", "zeros"])
def test_a_damaged_one_is_passed_over_in_one_line(files, kind, caplog):
    write(files, "model_1.pth", "model_2.pth", "model_3.pth")
    damage(files.folder / "model_3.pth", kind)
    with caplog.at_level(logging.WARNING):
        assert files.last_whole().name == "model_2.pth"
    assert [m for m in caplog.messages if "model_3.pth is damaged" in m] == caplog.messages
    for number in (1, 2):
        damage(files.folder / f"model_{number}.pth", kind)
    with pytest.raises(ResNeStError, match="no checkpoint that is whole.*model_3.pth"):
        files.last_whole()


@pytest.mark.parametrize("note", [None, "", "model_9.pth", "\0"])
def test_without_a_note_the_newest_is_the_last(files, note):
    write(files, "model_9.pth", "model_10.pth")
    os.remove(files.folder / "last_checkpoint")
    if note is not None:
        (files.folder / "last_checkpoint").write_text(note)
    assert files.last_whole().name == ("model_9.pth" if note == "model_9.pth" else "model_10.pth")


def test_the_newest_stay_and_so_do_others(files):
    write(files, "model_best.pth", *(f"model_{i:02}.pth" for i in (1, 2, 3, 4, 30)))
    files.keep_newest(2, files.folder / "model_04.pth")
    left = {path.name for path in files.folder.glob("*.pth")}
    assert left == {"model_best.pth", "model_03.pth", "model_04.pth", "model_30.pth"}
    files.keep_newest(0, files.folder / "model_04.pth")
    assert len(list(files.folder.glob("*.pth"))) == 4


@pytest.mark.parametrize("at", [100, 8000, 20_000])
def test_a_disk_that_is_full_leaves_the_one_before(files, at):
    write(files, "model_1.pth")
    before = (files.folder / "model_1.pth").read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, limit[1]))
    try:
        for name in ("model_1.pth", "model_2.pth"):
            with pytest.raises(ResNeStError, match=f"{name} could not be written: File too large"):
                write_checkpoint(CONTENT, files.folder / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert (files.folder / "model_1.pth").read_bytes() == before
    assert {path.name for path in files.folder.iterdir()} == {"model_1.pth", "last_checkpoint"}


def test_a_folder_that_goes_away_is_one_line(tmp_path, caplog):
    folder = tmp_path / "run"
    with pytest.raises(ResNeStError, match="the folder is gone"):
        write_checkpoint(CONTENT, folder / "model_1.pth")
    assert not folder.exists()
    logger = logging.getLogger("loud")
    with pytest.raises(ResNeStError, match="run cannot be written: No such file"):
        with faults_told(folder, quiet="loud"):
            try:
                open(folder / "metrics.json", "w")
            except OSError:
                logger.exception("a traceback")
                raise
    assert not caplog.messages
    folder.mkdir()  # what is wrong elsewhere is none of this
    with pytest.raises(FileNotFoundError), faults_told(folder):
        open(tmp_path / "image.jpg")


def test_what_a_killed_process_was_writing_is_removed(files):
    write(files, "model_1.pth")
    (files.folder / "model_2.pth.part").write_bytes(b"half")
    assert files.last_whole().name == "model_1.pth"
    files.remove_parts()
    assert not list(files.folder.glob("*.part"))
