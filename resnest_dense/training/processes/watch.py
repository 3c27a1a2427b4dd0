"""Processes that train together watch each other: one that dies or hangs ends all, by its name.

A thread of each tells the others, through the store that torch's processes meet in, that its
process lives and how long it has been in its step. torch itself ends a wait after 10 to 30 minutes
and cannot say for whom it was; its ``monitored_barrier`` can, but at that barrier alone, while a
process that hangs in a step leaves the others in the middle of backward.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from torch import distributed

from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.training.processes.beats import Beat, find_fault, own_beat, with_place
from resnest_dense.training.processes.ranks import from_first, rank, together
from resnest_dense.training.processes.stillness import Stillness

__all__ = ["Watch", "current_watch", "watched"]

_logger = logging.getLogger(__name__)
_VARIABLE = "RESNEST_DENSE_PATIENCE"
_PATIENCE = 40.0  # seconds without a beat, or that a step may be late
_BEATS = 20  # in that time
_SLOWER = 10  # times as long as the last step: what is more is late
_FIRST = 15  # times patience: a first step, in which kernels are tuned and compiled
_OF_PEERS = ("gloo", "nccl", "connection closed by peer", "connection reset by peer")


class Watch:
    """What a process tells of its steps; this one, of a process alone, tells nobody."""

    def begin(self, iteration: int, *, alone: bool = False) -> None:
        """A step begins, which all processes do alike and wait for each other in: loading a batch,
        forward, backward. One that a process does ``alone``, a batch of its share of an evaluation,
        is waited for where all shares are done."""

    def end(self) -> None:
        """What a process does from here on, such as saving, the others may wait for, as long as it
        does anything."""

    def evaluates(self, done: int, count: int) -> None:
        """So many batches are done of the ``count`` that are this process's share of an
        evaluation."""
        self.end()
        if done < count:
            self.begin(done, alone=True)

    @contextmanager
    def step(self, iteration: int) -> Iterator[None]:
        """Around a step."""
        self.begin(iteration)
        with self.explained():
            yield
        self.end()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What torch says of a connection is told as what has become of its other end."""
        yield


_current = Watch()


def current_watch() -> Watch:
    """The watch that this process is in."""
    return _current


@contextmanager
def watched() -> Iterator[Watch]:
    """Inside, the processes that have joined watch each other; all enter, and leave together.

    Raises:
        ResNeStError: another one has died, hangs, or has ended by an error. Where this process
            waits for ever in torch, it prints that and exits with code 2.
    """
    if not together() or distributed.get_world_size() == 1:
        yield Watch()
        return
    connection = _connect(timedelta(seconds=_patience()))
    if connection is None:
        _logger.warning("The processes do not meet in a TCP store, so that nobody watches them.")
        yield Watch()
        return
    watch = _Company(connection, _patience())
    global _current
    _current = watch
    try:
        with watch.explained():
            yield watch
            distributed.barrier()  # the first one to leave may take the store with it
    except Exception as error:
        watch.leave(f"{type(error).__name__}: {error}".partition("\n")[0])
        raise
    finally:
        _current = Watch()
        watch.leave("")


@dataclass(frozen=True)
class _Step:
    iteration: int
    alone: bool
    began: float


class _Company(Watch):
    def __init__(self, store: distributed.TCPStore, patience: float):
        self.patience = patience
        self._store = store
        self._rank = rank()
        self._beat = own_beat()
        self._step: _Step | None = None
        self._last: dict[bool, float] = {}  # seconds of the last step: of all, of one alone
        self._stillness = Stillness()
        self._verdict = ""
        self._asked = False
        self._told, self._left = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        place = from_first(lambda: uuid4().hex)
        self._keys = [f"resnest_dense/{place}/{number}"
                      for number in range(distributed.get_world_size())]
        self._send()
        self._beats: list[Beat] = []
        self._heard: list[float] = []
        self._receive()  # waits for all
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def begin(self, iteration: int, *, alone: bool = False) -> None:
        self._step = _Step(iteration, alone, time.monotonic())

    def end(self) -> None:
        if (step := self._step) is not None:
            self._step, self._last[step.alone] = None, time.monotonic() - step.began

    @contextmanager
    def explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if _is_of_peers(error) and (verdict := self._ask()):
                raise ResNeStError(verdict) from error
            raise

    def leave(self, why: str) -> None:
        """Lets the others know that this process goes; a reason, if there is one, ends them."""
        if self._left.is_set():
            return
        self._left.set()
        with suppress(RuntimeError):  # the store may be gone, of which they know by themselves
            self._send(end=why)
            if why:
                time.sleep(2 * self.patience / _BEATS)  # this process may be the one that keeps it

    def _ask(self) -> str:
        """What the thread finds out of the others, or "". SIGTERM, which launchers send to those
        that are left, ends the process meanwhile."""
        self._asked = True
        main = threading.current_thread() is threading.main_thread()
        handler = signal.signal(signal.SIGTERM, signal.SIG_DFL) if main else None
        try:
            self._told.wait(self.patience * 1.5)
            return self._verdict
        finally:
            if main:
                signal.signal(signal.SIGTERM, handler or signal.SIG_DFL)

    def _run(self) -> None:
        while not self._left.wait(self.patience / _BEATS):
            try:
                self._send()
                verdict = self._listen()
            except RuntimeError as error:
                verdict = (f"Rank {self._rank} on {socket.gethostname()} has lost the store that "
                           "all meet in: rank 0, or torchrun on its machine, has ended or is "
                           f"out of reach ({type(error).__name__}).")
            if verdict and not self._left.is_set():
                self._end(verdict)
                return

    def _end(self, verdict: str) -> None:
        trains = False in self._last or (self._step is not None and not self._step.alone)
        self._verdict = verdict + " --resume goes on from the last checkpoint." * trains
        with suppress(RuntimeError):
            self._send(verdict=verdict)
        time.sleep(2 * self.patience / _BEATS)  # for the others to hear it
        self._told.set()
        if not (self._asked or self._left.is_set()):
            print(f"error: {self._verdict}", file=sys.stderr, flush=True)
            os._exit(2)

    def _send(self, **changes: Any) -> None:
        with self._lock:
            self._beat = replace(self._beat, number=self._beat.number + 1, **changes)
            self._store.set(self._keys[self._rank], self._with_step(self._beat).packed())

    def _with_step(self, beat: Beat) -> Beat:
        step = self._step
        if step is not None:
            seconds, last = time.monotonic() - step.began, self._last.get(step.alone)
            usual = _FIRST * self.patience if last is None else _SLOWER * last
            beat = replace(beat, iteration=step.iteration, alone=step.alone, seconds=seconds,
                           late=seconds - usual)
        beat = with_place(beat, threading.main_thread().ident or 0)
        if step is None and self._last:  # before the first one, weights may be on their way
            beat = replace(beat, still=self._stillness.seconds(beat.line))
        return beat

    def _receive(self) -> None:
        beats = [Beat.unpacked(text) for text in self._store.multi_get(self._keys)]
        now = time.monotonic()
        self._heard = [
            now if not self._beats or beat.number != self._beats[number].number
            else self._heard[number] for number, beat in enumerate(beats)]
        self._beats = beats

    def _listen(self) -> str:
        self._receive()
        now = time.monotonic()
        return find_fault(self._beats, [now - at for at in self._heard], patience=self.patience)


def _connect(timeout: timedelta) -> distributed.TCPStore | None:
    """A connection of its own to the store of the default group: those of torch may be waiting."""
    store = distributed.distributed_c10d._get_default_store()
    while isinstance(store, distributed.PrefixStore):
        store = store.underlying_store
    if not isinstance(store, distributed.TCPStore):
        return None
    return distributed.TCPStore(store.host, store.port, is_master=False, wait_for_workers=False,
                                timeout=timeout)


def _is_of_peers(error: Exception) -> bool:
    """Whether an error is of the net between the processes."""
    if isinstance(error, ResNeStError) or not isinstance(error, RuntimeError):
        return False
    text = str(error).lower()
    return isinstance(error, distributed.DistError) or any(part in text for part in _OF_PEERS)


def _patience() -> float:
    text = os.environ.get(_VARIABLE, str(_PATIENCE))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise ResNeStValueError(f"{_VARIABLE}={text}: give the seconds that processes wait for "
                                f"each other, such as {_PATIENCE:g}.")
    return value
