"""Files that turn bad, workers that are killed, shared memory that runs out: what training does."""

import os
import random
import resource
import signal
from itertools import chain, count, islice

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, _utils
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from resnest_dense import ResNeStError
from resnest_dense.training.batches import ResumableLoader, group
from resnest_dense.training.faults import faults_told
from resnest_dense.training.loading import FaultsInLoading

BAD = (2, 5)


class Plan:
    def __iter__(self):
        return group(chain.from_iterable(range(8) for _ in count()), 2, bytes(8))


class Files(Dataset):
    """Tensors, of which some cannot be loaded; ``happens`` is called before each."""

    def __init__(self, bad=(), happens=None):
        self.bad, self.happens = bad, happens

    def __len__(self):
        return 8

    def __getitem__(self, index):
        if self.happens:
            self.happens(index)
        if index in self.bad:
            raise OSError(f"{index}.png is cut off")
        return index, torch.full((20_000,), random.random()), torch.zeros(0)


def loader(dataset, first=0, allowed=3, **options):
    made = ResumableLoader(dataset, Plan(), seed=3, rank=0, collate_fn=list,
                           faults=FaultsInLoading(allowed, "ALLOWED"),
                           file_of="{}.png".format, **options)
    made.first = first
    return made


def drawn(loader, count=12):
    return [[(index, value[0].item()) for index, value, _ in batch]
            for batch in islice(loader, count)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """torch looks after its workers every 5 s."""
    monkeypatch.setattr(_MultiProcessingDataLoaderIter._try_get_data, "__defaults__", (0.2,))
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.2)


@pytest.fixture
def once(tmp_path):
    """Does something to whoever loads sample 5, the first time."""

    def make(act):
        def happens(index):
            if index == 5 and not (tmp_path / "done").exists():
                (tmp_path / "done").touch()
                act()
        return happens

    return make


def test_a_bad_file_gives_its_place_to_another_one_by_place_alone(caplog):
    plain, whole = drawn(loader(Files())), drawn(loader(Files(BAD)))
    assert {index for batch in whole for index, _ in batch} == {0, 1, 3, 4, 6, 7}
    same = [a == b for one, other in zip(plain, whole) for a, b in zip(one, other)]
    assert same == [index not in BAD for batch in plain for index, _ in batch]
    assert [record.message for record in caplog.records] == [
        f"{index}.png is cut off (no worker). Another image takes its place; {n} of 3 such faults "
        "that ALLOWED allows." for n, index in enumerate(BAD, 1)]
    for first, workers in ((0, 2), (5, 1)):
        assert drawn(loader(Files(BAD), first, num_workers=workers), 12 - first) == whole[first:]
    assert "2.png is cut off (worker 1)" in caplog.text


@pytest.mark.parametrize("workers", [0, 2])
def test_more_than_allowed_are_an_error_that_lists_them(workers):
    with pytest.raises(ResNeStError, match=r"loaded: 2, and ALLOWED is 1: 2.png .*; 5.png is cut"):
        drawn(loader(Files(BAD), allowed=1, num_workers=workers))
    with pytest.raises(ResNeStError, match="loaded: 1, and ALLOWED is 0"):
        drawn(loader(Files(BAD), allowed=0, num_workers=workers))
    with pytest.raises(ResNeStError, match="ALLOWED is 20: 0.png is cut off"):
        drawn(loader(Files(range(8)), allowed=20, num_workers=workers))


def test_errors_of_programs_are_no_bad_files():
    def fail(index):
        raise KeyError("bbox")

    with pytest.raises(KeyError, match="bbox"):
        drawn(loader(Files(happens=fail)))


def test_a_killed_worker_is_replaced_and_nothing_is_lost(once, caplog):
    kill = once(lambda: os.kill(os.getpid(), signal.SIGKILL))
    made = loader(Files(happens=kill), num_workers=2)
    assert drawn(made) == drawn(loader(Files()))
    [record] = caplog.records
    assert record.message.startswith("Worker 0 (process ") and (
        "ended by SIGKILL, as the system does when memory runs out, while it loaded 5.png. "
        in record.message)
    assert "1 of 3 such faults" in record.message


def test_an_image_that_kills_whoever_loads_it_is_named():
    def kill(index):
        if index == 5:
            os.kill(os.getpid(), signal.SIGSEGV)

    with pytest.raises(ResNeStError, match="SIGSEGV, while it loaded 5.png, as another"):
        drawn(loader(Files(happens=kill), num_workers=1))


# A limit on files stands for a small /dev/shm; without our collate the run would hang then.
@pytest.mark.parametrize("act", [
    lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)),
    lambda: os.kill(os.getpid(), signal.SIGBUS)])
def test_shared_memory_that_is_full_says_the_remedy(once, act):
    with pytest.raises(ResNeStError, match=r"out of shared memory \(/dev/shm: \d+ of .*--shm-size="
                                           "8g.*fewer workers"):
        drawn(loader(Files(happens=once(act)), num_workers=1))


def test_a_worker_lost_in_an_evaluation_is_one_line(tmp_path, once):
    kill = once(lambda: os.kill(os.getpid(), signal.SIGKILL))
    stock = DataLoader(Files(happens=kill), num_workers=1, collate_fn=list)
    with pytest.raises(ResNeStError, match=r"^A worker was ended \(.*fewer workers"):
        with faults_told(tmp_path):
            list(stock)
    with pytest.raises(RuntimeError, match="of another kind"), faults_told(tmp_path):
        raise RuntimeError("of another kind")
