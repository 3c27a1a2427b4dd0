"""The training batches of a runner: mmengine's samplers, resumed at any iteration."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, repeat
from typing import Any

from mmengine.logging import print_log
from torch.utils.data import DataLoader

from resnest_dense.training.batches import ResumableLoader
from resnest_dense.training.loading import FaultsInLoading
from resnest_dense.training.processes.watch import current_watch

__all__ = ["OrderedLoader"]


class OrderedLoader(ResumableLoader):
    """The batches of mmengine's ``loader`` in its order, whose random parts the seed and the number
    of the batch decide. It begins where the run is once its first batch is asked for.

    Args:
        loader: as mmengine builds it.
        position: tells the iterations and epochs that are done.
        by_epoch: whether an iterator ends with its epoch.
        seed: of the run.
        rank: of this process.
        allowed: faults of loading.
    """

    def __init__(self, loader: DataLoader, position: Callable[[], tuple[int, int]], *,
                 by_epoch: bool, seed: int, rank: int, allowed: int):
        self._position = position
        self._by_epoch = by_epoch
        super().__init__(
            loader.dataset, _Plan(loader.batch_sampler), seed=seed, rank=rank,
            faults=FaultsInLoading(allowed, "faults_allowed", _say),
            file_of=partial(_file_of, loader.dataset),
            num_workers=loader.num_workers, collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory, timeout=loader.timeout,
            worker_init_fn=loader.worker_init_fn, prefetch_factor=loader.prefetch_factor,
            multiprocessing_context=loader.multiprocessing_context,
            persistent_workers=loader.persistent_workers)
        self.order.count = len(self) if by_epoch else None
        # By which mmengine scales a learning rate; with batches that are planned torch has none.
        vars(self)["batch_size"] = loader.batch_size

    def __iter__(self) -> Iterator[Any]:
        iteration, epoch = self._position()
        self.first = epoch * len(self) if self._by_epoch else iteration
        if not self._by_epoch:
            # mmengine's loop asks for what was seen, to pass it over.
            yield from repeat(None, iteration)
        batches = super().__iter__()
        while True:
            current_watch().begin(self._position()[0])
            try:
                batch = next(batches)
            except StopIteration:
                current_watch().end()
                return
            yield batch


def _say(line: str) -> None:
    print_log(line, "current", logging.WARNING)


def _file_of(dataset: Any, index: int) -> str:
    return str(dataset.get_data_info(index).get("img_path", index))


class _Plan:
    """The batches of every epoch one after another."""

    def __init__(self, batches: Any):
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for epoch in count():
            if hasattr(self.batches.sampler, "set_epoch"):
                self.batches.sampler.set_epoch(epoch)
            yield from self.batches
