"""What processes that train together agree on."""

import re
import signal
from pathlib import Path

import torch
from ranks import Ranks

from resnest_dense import ResNeStError
from resnest_dense.training.checkpoints import Checkpoints, write_checkpoint
from resnest_dense.training.processes.launch import find_launch, joined
from resnest_dense.training.processes.ranks import agreed_checkpoint, agreed_signal, from_first

NAMES = re.compile(r"model_(\d+)\.pth")


def save(folder, *numbers, value=1.0):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        write_checkpoint({"x": torch.full((2,), value)}, folder / f"model_{number}.pth")
    return folder


def ask(folders, tmp_path):
    """What each of two processes finds, each in a folder of its own."""
    def work(rank):
        with joined(find_launch(), cuda=False):
            print(agreed_checkpoint(Checkpoints(folders[rank], NAMES)))

    with Ranks(work, tmp_path) as ranks:
        codes = ranks.end()
        return codes, [ranks.said(rank).splitlines()[-1] for rank in range(2)]


def test_copies_of_one_checkpoint_are_gone_on_from(tmp_path):
    folders = [save(tmp_path / name, 4) for name in "ab"]
    codes, said = ask(folders, tmp_path)
    assert codes == [0, 0] and said == [str(folder / "model_4.pth") for folder in folders]


def test_other_checkpoints_are_refused_with_both_hosts(tmp_path):
    a = save(tmp_path / "a", 2, 4)
    for other, words in ((save(tmp_path / "empty"), "has no checkpoint in"),
                         (save(tmp_path / "older", 2), "has model_2.pth (sha256 "),
                         (save(tmp_path / "other", 2, 4, value=2.0), "has model_4.pth (sha256 ")):
        codes, said = ask([a, other], tmp_path)
        assert codes == [1, 1] and said[0] == said[1]
        assert re.match(r"ResNeStError: The processes would not go on .*rank 0 on \S+ has model_4"
                        r"\.pth \(sha256 \w{12,}\) in .*; rank 1 on \S+ has ", said[0])
        assert f"{words}" in said[0] and str(other) in said[0]


def test_the_first_process_decides_and_its_error_is_that_of_all(tmp_path):
    def work(rank):
        with joined(find_launch(), cuda=False):
            Path(tmp_path, f"asked{rank}").touch()
            print(from_first(lambda: f"{rank} says so"))
            print(agreed_signal("SIGTERM" if rank else None), agreed_signal(None))

            def fail():
                raise ResNeStError(f"no data at {rank}")

            from_first(fail)

    with Ranks(work, tmp_path) as ranks:
        assert ranks.end() == [1, 1]
        for rank in range(2):
            assert ranks.said(rank).splitlines()[-3:] == [
                "0 says so", "SIGTERM None", "ResNeStError: no data at 0"]


def test_a_process_alone_asks_nobody(tmp_path):
    folder = save(tmp_path / "a", 3)
    assert agreed_checkpoint(Checkpoints(folder, NAMES)) == folder / "model_3.pth"
    assert agreed_signal("SIGINT") == signal.SIGINT.name and agreed_signal(None) is None
    assert from_first(lambda: 3) == 3
