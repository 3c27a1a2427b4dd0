"""Batches in an order that is planned by indices: a run goes on at any of them, also behind faults,
and no image is decoded for those before."""

import multiprocessing
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, default_collate, get_worker_info

from resnest_dense.errors import ResNeStError
from resnest_dense.training.loading import (
    LOST,
    BadFile,
    FaultsInLoading,
    SharingCollate,
    lost_worker,
    out_of_shared_memory,
    watch_workers_here,
)
from resnest_dense.training.randomness import seeded

__all__ = ["ResumableLoader", "group"]


class ResumableLoader(DataLoader):
    """Loads planned batches from number ``first`` on. What is random about a sample depends on the
    seed and its place in the plan, so that the number of workers makes no difference; so does which
    other sample takes the place of one that cannot be loaded.

    Args:
        dataset: of samples by index.
        plan: the indices of each batch; the same ones every time that it is gone through.
        seed: of the run.
        rank: of this process among those that train together.
        faults: of loading.
        file_of: a sample, by its index: the name of its image.
        bad: errors of a file, beside those of the disk and of this package.
        collate_fn: makes a batch of samples.
        options: of torch's ``DataLoader``.

    Raises:
        ResNeStError: while batches are asked for: more faults than are allowed, or no shared memory
            left.
    """

    def __init__(self, dataset: Dataset, plan: Iterable[Sequence[int]], *, seed: int, rank: int,
                 faults: FaultsInLoading, file_of: Callable[[int], str],
                 bad: tuple[type[Exception], ...] = (),
                 collate_fn: Callable[[list], Any] = default_collate, **options: Any):
        self.order = _Order(plan)
        self.faults = faults
        self.placed = _Placed(dataset, seed, rank, file_of=file_of, bad=bad,
                              tries=faults.allowed + 1, workers=options.get("num_workers", 0))
        # With a generator of its own torch draws nothing from that of the process.
        super().__init__(self.placed, batch_sampler=self.order, generator=torch.Generator(),
                         collate_fn=SharingCollate(collate_fn), **options)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch names a class
        number = self.order.first
        batches: Any = None
        while True:
            if batches is None:
                self.order.begin = number
                batches = super().__iter__()
                watch_workers_here()
            try:
                files, batch = next(batches)
            except StopIteration:
                return
            except LOST as error:
                self._look_at(error, batches)
                self._iterator = batch = batches = None  # which ends the other workers
                continue
            self.faults.bad(files, whole=batch is not None)
            number += 1
            yield batch

    def _look_at(self, error: Exception, batches: object) -> None:
        """Raises it, unless it is of a worker that is lost and made up for."""
        lost = lost_worker(error, batches)
        if full := out_of_shared_memory(lost[1] if lost else str(error)):
            raise ResNeStError(full) from error
        if not lost:
            raise error
        self.faults.lost(lost[1], self.placed.loaded_by(lost[0]))

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
        self.begin = 0  # of the next iterator, which may go on after a fault
        self.count: int | None = None  # of the batches from the first on; None: no end

    def __len__(self) -> int:
        return len(self.plan)  # type: ignore[arg-type]  # where it has one

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        end = None if self.count is None else self.first + self.count
        for number, batch in enumerate(islice(self.plan, self.begin, end), self.begin):
            yield [(number, place, index) for place, index in enumerate(batch)]


class _Placed(Dataset):
    """A dataset whose samples are made with the random numbers of their place. One that cannot be
    made gives its place to another, which these numbers choose."""

    def __init__(self, dataset: Dataset, seed: int, rank: int, *, file_of: Callable[[int], str],
                 bad: tuple[type[Exception], ...], tries: int, workers: int):
        self.dataset = dataset
        self.seed = seed
        self.rank = rank
        self.file_of = file_of
        # The second is Pillow's, of PNGs.
        self.bad: tuple[type[Exception], ...] = (OSError, SyntaxError, ResNeStError, *bad)
        self.tries = tries
        self.now = multiprocessing.RawArray("q", workers + 1)  # index and 1, of each; 0: nothing

    def __getitem__(self, place: tuple[int, int, int]) -> tuple[Any, list[BadFile]]:
        *where, index = place
        found: list[BadFile] = []
        for again in range(self.tries):
            with seeded(self.seed, self.rank, *where, *([again] if again else [])):
                if again:
                    index = random.randrange(len(self))
                worker = get_worker_info()
                number = worker.id if worker else -1
                self.now[number] = index + 1
                try:
                    return self.dataset[index], found
                except self.bad as error:
                    found.append(BadFile(self.file_of(index), " ".join(str(error).split()),
                                         worker.id if worker else None))
                finally:
                    self.now[number] = 0
        return None, found

    def loaded_by(self, worker: int) -> str:
        """The file that a worker was loading when it ended; "" for none."""
        index = self.now[worker] - 1
        self.now[worker] = 0
        return self.file_of(index) if index >= 0 else ""

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
