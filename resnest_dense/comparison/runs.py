"""The runs of a comparison: each begun, gone on with or found finished; one a device at a time."""

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resnest_dense.base.files import beside
from resnest_dense.base.runs import changed_settings
from resnest_dense.comparison.recipe import Recipe
from resnest_dense.errors import ResNeStError, listed

__all__ = ["Run", "devices", "train_all"]

_STATE, _OUTPUT = "run.json", "output.txt"


@dataclass(frozen=True)
class Run:
    """One member trained with one seed.

    Args:
        network: its backbone.
        seed: of the framework.
        config: the member's config.
        settings: all that decides what is trained, but the seed.
    """

    network: str
    seed: int
    config: Path
    settings: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Of its checkpoints and logs."""
        return self.config.parent / f"seed{self.seed}"

    def scores(self) -> dict[str, float]:
        """What it has scored, if it is finished, else {}.

        Raises:
            ResNeStError: a run of other settings in its folder.
        """
        path = self.folder / _STATE
        if not path.is_file():
            return {}
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            changes = changed_settings(state["settings"], json.loads(json.dumps(self.settings)))
            found = dict(state["scores"])
        except (ValueError, KeyError, TypeError) as error:
            raise ResNeStError(f"{path} does not say what was trained there ({error!r}): delete "
                               f"{self.folder}, or give another --out.") from error
        if changes:
            lines = (f"{key} {old!r} -> {new!r}" for key, (old, new) in changes.items())
            raise ResNeStError(f"{self.folder} holds a run of other settings: "
                               f"{listed(lines, most=8)}. Give those again, or another --out.")
        return found

    def note(self, scores: Mapping[str, float]) -> None:
        """Keeps what it is, and what it has scored, {} while it is not finished."""
        with beside(self.folder / _STATE) as part:
            part.write_text(json.dumps({"settings": self.settings, "scores": scores}, indent=1),
                            encoding="utf-8")


def devices() -> list[dict[str, str]]:
    """The environment of a run on each GPU that is visible here; without any, one for the CPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = visible.split(",") if visible else [str(number) for number in range(count)]
    return [{"CUDA_VISIBLE_DEVICES": name.strip()} for name in names[:count]] or [{}]


def train_all(runs: Sequence[Run], recipe: Recipe, places: Sequence[Mapping[str, str]],
              tell: Callable[[Run, Mapping[str, float]], object]) -> None:
    """Trains the runs that are not finished, one at each place at a time.

    Args:
        runs: in the order in which they are begun.
        recipe: of all of them.
        places: the environment variables of each.
        tell: is told of each run that has finished, and of its scores.

    Raises:
        ResNeStError: a run has failed; those beside it are stopped, and have saved.
    """
    free: queue.SimpleQueue[Mapping[str, str]] = queue.SimpleQueue()
    for place in places:
        free.put(place)
    processes = _Processes()

    def work(run: Run) -> dict[str, float]:
        place = free.get()
        try:
            return _train(run, recipe, place, processes)
        finally:
            free.put(place)

    with _terminable(), ThreadPoolExecutor(len(places)) as pool:
        futures = {pool.submit(work, run): run for run in runs}
        try:
            for future in as_completed(futures):
                tell(futures[future], future.result())
        except BaseException:  # Ctrl-C and SIGTERM too
            for future in futures:
                future.cancel()
            processes.stop()
            raise


@contextmanager
def _terminable() -> Iterator[None]:
    """Inside: SIGTERM is what Ctrl-C is, as processes in a group of their own would go on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _train(run: Run, recipe: Recipe, place: Mapping[str, str],
           processes: "_Processes") -> dict[str, float]:
    run.note({})
    output = run.folder / _OUTPUT
    processes.run(recipe.training(run.config, run.seed, run.folder), place, output)
    scores = recipe.scores(run.folder)
    if not scores:  # it was stopped between its last iteration and its last evaluation
        processes.run(recipe.measuring(run.config, run.folder), place, output)
        scores = recipe.scores(run.folder)
    if not scores:
        raise ResNeStError(f"{run.network}, seed {run.seed}: trained, but nothing was measured; "
                           f"see {output}.")
    run.note(scores)
    return scores


class _Processes:
    """Commands that can be stopped together, from another thread than theirs."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def run(self, command: Sequence[str], variables: Mapping[str, str], output: Path) -> None:
        """Runs a command to its end, what it prints added to a file."""
        with output.open("ab") as file:
            with self._lock:
                if self._stopped:
                    raise ResNeStError("Stopped.")
                # Not in the group of this terminal: Ctrl-C reaches it once, by `stop`.
                process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT,
                                           env={**os.environ, **variables}, start_new_session=True)
                self._running.add(process)
            code = process.wait()
        with self._lock:
            self._running.discard(process)
        if code:
            lines = output.read_text(errors="replace").strip().splitlines()
            raise ResNeStError(f"Training stopped with exit code {code}: {(lines or ['?'])[-1]} "
                               f"All of it is in {output}. What is finished stays; the same command"
                               " goes on.")

    def stop(self) -> None:
        """Lets all save and end."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()
