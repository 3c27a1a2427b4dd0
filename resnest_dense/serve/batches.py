"""Images that wait for the model: few enough, and those of one size go through together."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

__all__ = ["Batches"]


class Batches:
    """Runs what is submitted, in one thread and in order, several at a time if they wait.

    Args:
        infer: images of one shape -> what the model gives for each.
        shape: of an image; those that are equal go together.
        most: images of a batch.
    """

    def __init__(self, infer: Callable[[Sequence[np.ndarray]], Sequence[Any]],
                 shape: Callable[[np.ndarray], tuple[int, int]], most: int):
        self._infer, self._shape, self._most = infer, shape, most
        self._waiting: deque[tuple[np.ndarray, Future]] = deque()
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def submit(self, image: np.ndarray) -> "Future[tuple[Any, float, int]]":
        """In time: what the model gives, when it began (``time.perf_counter``), and how many images
        went through with this one."""
        future: Future[tuple[Any, float, int]] = Future()
        with self._changed:
            self._waiting.append((image, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Ends the thread, after what still waits."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            images, futures = zip(*batch)
            start = time.perf_counter()
            try:
                outputs = self._infer(images)
            except Exception as error:  # told to those who wait; the next batch may do
                for future in futures:
                    future.set_exception(error)
            else:
                for future, output in zip(futures, outputs):
                    future.set_result((output, start, len(batch)))

    def _next(self) -> list[tuple[np.ndarray, Future]]:
        """The one that has waited longest, and others of its shape; none when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open)
            if not self._waiting:
                return []
            shape = self._shape(self._waiting[0][0])
            batch = [one for one in self._waiting if self._shape(one[0]) == shape][:self._most]
            taken = {id(future) for _, future in batch}
            self._waiting = deque(one for one in self._waiting if id(one[1]) not in taken)
            return batch
