"""Batches in an order that is planned by indices: a run goes on at any of them, and no image is
decoded for those before."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from resnest_dense.training.randomness import seeded

__all__ = ["ResumableLoader", "group"]


class ResumableLoader(DataLoader):
    """Loads planned batches from number ``first`` on. What is random about a sample depends on the
    seed and its place in the plan, so that the number of workers makes no difference.

    Args:
        dataset: of samples by index.
        plan: the indices of each batch; the same ones every time that it is gone through.
        seed: of the run.
        rank: of this process among those that train together.
        options: of torch's ``DataLoader``.
    """

    def __init__(self, dataset: Dataset, plan: Iterable[Sequence[int]], *, seed: int, rank: int,
                 **options: Any):
        self.order = _Order(plan)
        # With a generator of its own torch draws nothing from that of the process.
        super().__init__(_Placed(dataset, seed, rank), batch_sampler=self.order,
                         generator=torch.Generator(), **options)

    @property
    def first(self) -> int:
        """Number of the batch that the next iterator begins with."""
        return self.order.first

    @first.setter
    def first(self, number: int) -> None:
        self.order.first = number


class _Order:
    """A batch sampler: (number of the batch, place in it, index) of each sample."""

    def __init__(self, plan: Iterable[Sequence[int]]):
        self.plan = plan
        self.sampler = None  # what mmengine asks for; the plan has one of its own
        self.first = 0
        self.count: int | None = None  # of the batches of an iterator; None: no end

    def __len__(self) -> int:
        return len(self.plan)  # type: ignore[arg-type]  # where it has one

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        end = None if self.count is None else self.first + self.count
        for number, batch in enumerate(islice(self.plan, self.first, end), self.first):
            yield [(number, place, index) for place, index in enumerate(batch)]


class _Placed(Dataset):
    """A dataset whose samples are made with the random numbers of their place."""

    def __init__(self, dataset: Dataset, seed: int, rank: int):
        self.dataset = dataset
        self.seed = seed
        self.rank = rank

    def __getitem__(self, place: tuple[int, int, int]) -> Any:
        with seeded(self.seed, self.rank, *place[:2]):
            return self.dataset[place[2]]

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "dataset":  # while it is unpickled in a worker
            raise AttributeError(name)
        return getattr(self.dataset, name)  # what a framework asks of its own dataset


def group(indices: Iterable[int], size: int, kinds: Sequence[int]) -> Iterator[list[int]]:
    """Batches of ``size`` indices of one kind each, in the order in which they are full.

    Args:
        indices: without an end.
        size: of a batch.
        kinds: of every index: a small number.
    """
    waiting: dict[int, list[int]] = {}
    for index in indices:
        bucket = waiting.setdefault(kinds[index], [])
        bucket.append(index)
        if len(bucket) == size:
            yield waiting.pop(kinds[index])
