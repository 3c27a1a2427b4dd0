"""The training batches of a runner: mmengine's samplers, resumed at any iteration."""

from collections.abc import Callable, Iterator
from itertools import count, repeat
from typing import Any

from torch.utils.data import DataLoader

from resnest_dense.training.batches import ResumableLoader
from resnest_dense.training.watch import Watch

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
    """

    def __init__(self, loader: DataLoader, position: Callable[[], tuple[int, int]], *,
                 by_epoch: bool, seed: int, rank: int):
        self._position = position
        self._by_epoch = by_epoch
        self.watch = Watch()  # is told when the loop begins to wait for a batch
        super().__init__(
            loader.dataset, _Plan(loader.batch_sampler), seed=seed, rank=rank,
            num_workers=loader.num_workers, collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory, timeout=loader.timeout,
            worker_init_fn=loader.worker_init_fn, prefetch_factor=loader.prefetch_factor,
            multiprocessing_context=loader.multiprocessing_context,
            persistent_workers=loader.persistent_workers)
        self.order.count = len(self) if by_epoch else None

    def __iter__(self) -> Iterator[Any]:
        iteration, epoch = self._position()
        self.first = epoch * len(self) if self._by_epoch else iteration
        if not self._by_epoch:
            # mmengine's loop asks for what was seen, to pass it over.
            yield from repeat(None, iteration)
        batches = super().__iter__()
        while True:
            self.watch.begin(self._position()[0])
            try:
                batch = next(batches)
            except StopIteration:
                self.watch.end()
                return
            yield batch


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
