"""From a folder to a running training: what ``resnest-dense train`` does."""

import dataclasses
import os
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnest_dense.analysis.machine import pick_device
from resnest_dense.errors import ResNeStValueError
from resnest_dense.frameworks import Framework, find_framework, framework_of_task
from resnest_dense.planning import rules
from resnest_dense.planning.fit import largest_batch, time_step
from resnest_dense.planning.order import Order
from resnest_dense.planning.plan import Plan, Step

__all__ = ["Training", "plan_training"]

_FAST_BATCH = 8
_PAPER_BATCH, _SLOW_BATCH = 16, 2
_MOST = 64  # images a step that "auto" takes


@dataclass(frozen=True)
class Training:
    """What is to be run."""

    plan: Plan
    config: Path  # that was written
    framework: Framework
    words: list[str]  # of the framework's own tool

    def command(self) -> str:
        """The command of that tool which does the same."""
        return shlex.join(["python", self.framework.tool, *self.words])

    def run(self) -> None:
        """Trains, as that command does.

        Raises:
            ResNeStError: whatever is wrong with config or data, before the first iteration.
        """
        self.framework.train(self.words)

    def report(self) -> Path:
        """Writes what the run has learned on one page, and gives the file.

        Raises:
            ResNeStError: the folder holds no run.
        """
        from resnest_dense.report.write import FILE, write_report

        return write_report(self.framework.read_run(self.config.parent), self.config.parent / FILE)


def plan_training(order: Order, data: str | Path, out: str | Path, *, overwrite: bool = False
                  ) -> Training:
    """Reads the data, derives every setting, and writes the config; nothing is trained but the
    steps that are measured.

    Args:
        order: what is asked for.
        data: folder, as ``docs/first_hour.md`` says.
        out: folder of the run.
        overwrite: a run that is there is replaced.

    Raises:
        ResNeStError: data, model, device or memory that do not do.
    """
    out, device = Path(out), pick_device(order.device)
    framework = framework_of_task(order.task)
    if order.model is not None and order.architecture is None and (
            find_framework(order.model) is not framework):
        raise ResNeStValueError(f"--model {order.model} is no config for --task {order.task}: "
                                "detectors are detectron2's, segmentors MMSegmentation's.")
    words, facts = framework.read_data(order, data, out / "data")
    step = _choose_step(order, framework, facts, device)
    plan = framework.plan_training(order, facts, step, device)
    plan.derive(framework.workers_key, rules.Derived(order.workers, "--workers")
                if order.workers is not None else rules.workers(os.cpu_count() or 1, device))
    config = framework.write_plan(plan, out / "train")
    return Training(plan, config, framework, framework.training_words(
        config, words, out, overwrite=overwrite))


def _choose_step(order: Order, framework: Framework, facts: Any, device: str) -> Step:
    """The images of a step, and how long it takes where that is asked."""
    timed = order.preset == "fast" and order.epochs is None
    few = max(1, facts.images // 4)  # a pass over the images is to have some steps
    if isinstance(order.batch, int):
        batch = rules.Derived(order.batch, "--batch")
    elif order.batch is None and order.preset == "fast":
        batch = rules.Derived(min(_FAST_BATCH, few), "what batch norms need "
                              "(arXiv 1803.08494, figure 1), and no more than a quarter of the set")
    elif order.batch is None and device == "cpu":
        batch = rules.Derived(_SLOW_BATCH, "a step of more takes minutes on a CPU; --batch auto "
                              "tells what memory holds")
    else:
        batch = None
    if batch is not None and not timed:
        return Step(*batch)
    print("Steps are measured first; that takes a minute or two on a CPU.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        draft = framework.plan_training(order, facts, Step(), device)
        path = framework.write_plan(draft, Path(folder, "draft"))
        case = framework.benchmark_case()(str(path), size=draft.size, device=device,
                                          images=batch.value if batch else 2)
        if batch is None:
            most = min(_MOST if order.batch == "auto" else _PAPER_BATCH, few)
            batch = largest_batch(case, most=most)
            if order.batch is None and most == _PAPER_BATCH:
                parts = rules.accumulation(most, batch.value)
                return Step(most, "the recipe's", parts=parts)
        return Step(*batch, time_step(dataclasses.replace(case, images=batch.value))
                    if timed else None)
