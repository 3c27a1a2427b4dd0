"""The order of a run: by seed and place alone, from any batch on, with any number of workers."""

import random
import time
from itertools import chain, islice, repeat

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from resnest_dense.training.batches import ResumableLoader, group
from resnest_dense.training.loading import FaultsInLoading
from resnest_dense.training.randomness import seed_all, seeded


class Plan:
    """Batches of two of eight samples, in another order in each of 100,000 rounds."""

    def __iter__(self):
        generator = torch.Generator().manual_seed(5)
        return group(chain.from_iterable(torch.randperm(8, generator=generator).tolist()
                                         for _ in repeat(None, 100_000)), 2, bytes(8))


class Noise(Dataset):
    """An index and what each generator draws for it."""

    loaded = 0

    def __len__(self):
        return 8

    def __getitem__(self, index):
        Noise.loaded += 1
        return index, random.random(), np.random.rand(), torch.rand(1).item()


def loader(first=0, **options):
    made = ResumableLoader(Noise(), Plan(), collate_fn=list, file_of=str,
                           faults=FaultsInLoading(0, "ALLOWED"),
                           **{"seed": 3, "rank": 0, **options})
    made.first = first
    return made


def batches(count, **options):
    return list(islice(loader(**options), count))


def test_the_same_from_any_batch_on_with_any_number_of_workers():
    whole = batches(12)
    assert len({sample[1:] for batch in whole for sample in batch}) == 24  # no draw comes twice
    for first, workers in ((0, 1), (5, 0), (7, 2)):
        random.seed(workers), np.random.seed(workers), torch.manual_seed(workers)
        assert batches(12 - first, first=first, num_workers=workers) == whole[first:]
    for other in ({"seed": 4}, {"rank": 1}):
        assert all(a[0][1:] != b[0][1:] for a, b in zip(batches(3, **other), whole))


def test_iteration_80000_is_reached_without_loading_what_was_before():
    Noise.loaded, start = 0, time.perf_counter()
    [batch] = batches(1, first=80_000)
    assert Noise.loaded == len(batch) == 2 and time.perf_counter() - start < 60


def test_loading_leaves_the_generators_of_the_process_alone():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    seed_all(1, 2)
    wanted = [draw(), draw()]
    seed_all(1, 2)
    first = draw()
    batches(3)
    with pytest.raises(KeyError), seeded(7):
        raise KeyError
    assert [first, draw()] == wanted
    seed_all(2, 1)
    assert draw() != wanted[0]
