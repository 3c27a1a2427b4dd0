"""What detectron2's training lacks: runs that go on as if never stopped, and stop in time."""

import logging
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import HookBase
from detectron2.engine.hooks import EvalHook, PreciseBN
from detectron2.utils import comm

from resnest_dense.base.interrupt import Interrupt
from resnest_dense.errors import ResNeStError
from resnest_dense.training.accumulation import parts_of
from resnest_dense.training.divergence import FiniteWatch, SkippedSteps, Step
from resnest_dense.training.processes.ranks import agreed_signal
from resnest_dense.training.randomness import seed_all

__all__ = ["IterationSeed", "OrderedPreciseBN", "ResumedEvalHook", "SaveOnInterrupt",
           "StopAtNonFinite"]

_logger = logging.getLogger(__name__)


class SaveOnInterrupt(HookBase):
    """On Ctrl-C or SIGTERM, of any process: finish the iteration, save a checkpoint, from which
    ``--resume`` continues, and stop. A second signal stops at once, without saving.
    """

    def __init__(self, checkpointer: DetectionCheckpointer, interrupt: Interrupt):
        self.checkpointer = checkpointer
        self._interrupt = interrupt

    def before_train(self) -> None:
        self._interrupt.catch()

    def after_step(self) -> None:
        name = agreed_signal(self._interrupt.name)
        if name is None:
            return
        iteration = self.trainer.iter
        if comm.is_main_process():
            self.checkpointer.save(f"model_{iteration:07d}", iteration=iteration)
            _logger.warning(
                "Interrupted: saved after iteration %d in %s; --resume continues from there.",
                iteration, self.checkpointer.save_dir)
        raise KeyboardInterrupt(name)

    def after_train(self) -> None:
        self._interrupt.release()


class IterationSeed(HookBase):
    """Seeds every iteration anew, so that a run that went on draws as one that never stopped."""

    def __init__(self, seed: int):
        self.seed = seed

    def before_step(self) -> None:
        seed_all(self.seed, comm.get_rank(), self.trainer.iter)


class OrderedPreciseBN(PreciseBN):
    """detectron2's, which begins with the batch of its iteration and not where it stopped last, and
    takes the ``parts`` of each batch one by one, as training does."""

    def __init__(self, *args: Any, parts: int):
        super().__init__(*args)
        self._parts = parts
        if not self._disabled:
            self._num_iter *= parts

    def update_stats(self) -> None:
        if not self._disabled:
            self._data_loader.first = self.trainer.iter
            self._data_iter = (batch[place] for batch in self._data_loader
                               for place in parts_of(len(batch), self._parts))
        super().update_stats()


class ResumedEvalHook(EvalHook):
    """detectron2's, which makes up for an evaluation that a kill has cut short: the checkpoint that
    a run goes on from is written before it."""

    def __init__(self, period: int, evaluate: Callable[[], Any]):
        super().__init__(period, evaluate)
        self._done = 0  # iterations at the last one

    def before_train(self) -> None:
        start = self.trainer.start_iter
        if self._period > 0 and start % self._period == 0 and self._done < start:
            super()._do_eval()
            self._done = start

    def state_dict(self) -> dict[str, int]:
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._done = state["done"]

    def _do_eval(self) -> None:
        super()._do_eval()
        self._done = self.trainer.iter + 1


class StopAtNonFinite(HookBase):
    """Of the inner loop, where a hook runs between backward and step: stops before anything is
    learned from a loss or gradient that is no number.

    Args:
        outer: the trainer of that loop.
    """

    def __init__(self, outer: Any):
        self.outer = weakref.proxy(outer)
        self._watch = FiniteWatch(outer.model, _file_names)
        self._scaler = getattr(outer._trainer, "grad_scaler", None)
        self._skipped, self._scale = SkippedSteps(), float("inf")

    def after_backward(self) -> None:
        if self._scaler is not None:
            self._look_at_scale()
        self._watch.check(self._step, gradients=self._scaler is None)

    def explain(self, error: FloatingPointError) -> ResNeStError:
        """What to raise for an error of a model that looks at its own numbers."""
        what = str(error).partition("\n")[0].rstrip(".")
        return ResNeStError(self._watch.tell(self._step(), what))

    def _look_at_scale(self) -> None:
        # The scale changes after the step, so what is seen here is of the step before.
        before, self._scale = self._scale, self._scaler.get_scale()
        line = before < float("inf") and self._skipped.look(before, self._scale,
                                                            iteration=self.outer.iter - 1)
        if line:
            _logger.warning(line)

    def _step(self) -> Step:
        outer = self.outer
        return Step(
            iteration=outer.iter, rate=outer.optimizer.param_groups[0]["lr"],
            folder=Path(outer.cfg.OUTPUT_DIR),
            seed=lambda: seed_all(outer.cfg.SEED, comm.get_rank(), outer.iter),
            precision=self._precision)

    def _precision(self) -> AbstractContextManager:
        if self._scaler is None:
            return nullcontext()
        return torch.autocast("cuda", self.outer._trainer.precision)


def _file_names(batch: list[dict]) -> list[str]:
    return [str(entry.get("file_name", "?")) for entry in batch]
