"""A loss or gradient that is no number stops a run of mmengine before anything is learned of it."""

import logging
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from resnest_dense.mmseg.loading import unwrap
from resnest_dense.training.divergence import FiniteWatch, SkippedSteps, Step
from resnest_dense.training.randomness import seed_all

__all__ = ["StopAtNonFiniteHook"]


class StopAtNonFiniteHook(Hook):
    """Looks after each backward, where mmengine calls no hook: it takes the optimizer wrapper's
    ``backward`` and ``step``."""

    priority = "LOWEST"  # the wrapper has its state by then

    def before_train(self, runner: Runner) -> None:
        wrapper = runner.optim_wrapper
        if not isinstance(wrapper, OptimWrapper):
            print_log("Several optimizers: losses and gradients that are no numbers stop nothing.",
                      "current", logging.WARNING)
            return
        watch = FiniteWatch(unwrap(runner.model), _image_names, mark="loss")
        scaler, skipped = getattr(wrapper, "loss_scaler", None), SkippedSteps()
        backward, step = wrapper.backward, wrapper.step

        def checked(loss: Tensor, **options: Any) -> None:
            backward(loss, **options)
            watch.check(lambda: _describe(runner), gradients=scaler is None)

        def counted(**options: Any) -> None:
            before = scaler.get_scale() if scaler else 0
            step(**options)
            line = skipped.look(before, scaler.get_scale() if scaler else 0, iteration=runner.iter)
            if line:
                print_log(line, "current", logging.WARNING)

        wrapper.backward, wrapper.step = checked, counted


def _describe(runner: Runner) -> Step:
    return Step(
        iteration=runner.iter, rate=runner.optim_wrapper.param_groups[0]["lr"],
        folder=Path(runner.work_dir),
        seed=lambda: seed_all(runner.seed or 0, runner.rank, runner.iter),
        precision=lambda: runner.optim_wrapper.optim_context(runner.model))


def _image_names(inputs: Any, data_samples: Any = None, mode: str = "") -> list[str]:
    return [str(sample.metainfo.get("img_path", "?")) for sample in data_samples or ()]
