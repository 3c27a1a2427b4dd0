"""A loss or gradient that is no number stops a run, with what is known of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from resnest_dense.errors import ResNeStError, listed
from resnest_dense.training.checkpoints import write_checkpoint
from resnest_dense.training.processes.ranks import gathered, largest, rank
from resnest_dense.weights.matching import bare_model

__all__ = ["FiniteWatch", "SkippedSteps", "Step"]


@dataclass(frozen=True)
class Step:
    """One that went wrong, and how it is run again."""

    iteration: int  # of the run, from 0
    rate: float  # of learning
    folder: Path  # of the run
    seed: Callable[[], None]  # makes what is random as it was
    precision: Callable[[], AbstractContextManager]  # what the forward runs in


class FiniteWatch:
    """Remembers the last batch of ``model`` and its losses, and looks at them before each step.

    Args:
        model: that trains; its output is its losses by name.
        images: the names of the images in the arguments of its forward.
        mark: is in the names of losses, where other values stand beside them.
    """

    def __init__(self, model: nn.Module, images: Callable[..., list[str]], *, mark: str = ""):
        self.model = model
        self._images = images
        self._mark = mark
        bare_model(model).register_forward_pre_hook(self._remember_call, with_kwargs=True)
        bare_model(model).register_forward_hook(self._remember_losses)
        self._call: tuple[tuple, dict] = ((), {})
        self._losses: Mapping[str, Tensor] = {}

    def check(self, step: Callable[[], Step], *, gradients: bool = True) -> None:
        """Looks at the losses, and after backward at the gradients.

        Args:
            step: tells of the step where something is wrong.
            gradients: False where they are scaled, and a step is skipped if they are no numbers.

        Raises:
            ResNeStError: in every process, if anything is no number in one of them.
        """
        losses = torch.stack([value.float() for value in self._losses.values()])
        reason = "" if losses.isfinite().all() else "the loss"
        if not reason and gradients and not self._norm().isfinite():
            reason = "a gradient"
        if largest(bool(reason)):
            told = self.tell(step(), f"{reason} is not finite") if reason else ""
            raise ResNeStError(" ".join(filter(None, gathered(told))))

    def _remember_call(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if module.training:
            self._call, self._losses = (args, kwargs), {}

    def _remember_losses(self, module: nn.Module, args: tuple, output: Any) -> None:
        if module.training:
            self._losses = {name: value.detach() for name, value in self._read(output)}

    def _read(self, output: Any) -> Iterator[tuple[str, Tensor]]:
        named = output if isinstance(output, Mapping) else {"loss": output}
        for name, value in named.items():
            values = list(_tensors(value))  # mmengine's losses may be lists
            if values and self._mark in name:
                yield name, torch.stack([part.mean() for part in values]).sum()

    def _norm(self) -> Tensor:
        # A limit without an end leaves every gradient as it is.
        return nn.utils.clip_grad_norm_(self.model.parameters(), float("inf"))

    def tell(self, step: Step, what: str) -> str:
        """Keeps the last batch in the folder of the run; all that is known of ``what`` went wrong
        with it, in words."""
        (args, kwargs), losses = self._call, self._losses
        parts = listed(f"{name} {value.item():.4g}" for name, value in losses.items())
        names = listed(map(str, self._images(*args, **kwargs)))
        place = step.folder / f"not_finite_{step.iteration:07d}_{rank()}.pth"
        write_checkpoint({"args": args, "kwargs": kwargs, "images": names,
                          "iteration": step.iteration}, place)
        return (f"Iteration {step.iteration}: {what}, and nothing was learned from it"
                f"{f': {parts}' if parts else ''}; learning rate {step.rate:g}; images {names}. "
                f"{self._find(step)} The batch is in {place}; the checkpoints are as they were. "
                "Look at its images and labels, lower the rate, lengthen the warm-up or clip the "
                "gradients.")

    def _find(self, step: Step) -> str:
        """Where the first value that is no number comes from, when the batch is run once more."""
        model = bare_model(self.model)
        found: list[str] = []

        def look(name: str, values: Any, what: str) -> None:
            if not found and not all(value.isfinite().all() for value in _tensors(values)):
                found.append(f"The first {what} that is not finite is that of {name}.")

        def hook(name: str) -> Callable[..., None]:
            def after(module: nn.Module, args: tuple, output: Any) -> None:
                look(name, output, "output")
                for value in _tensors(output):
                    if value.requires_grad and value.grad_fn is not None:
                        value.register_hook(lambda grad: look(name, grad, "gradient of an output"))
            return after

        broken = [name for name, value in model.named_parameters() if not value.isfinite().all()]
        if broken:
            return f"Weights are not finite any more: {listed(broken, most=3)}."
        hooks = [module.register_forward_hook(hook(f"{name} ({type(module).__name__})"))
                 for name, module in model.named_modules() if name]
        try:
            step.seed()
            args, kwargs = self._call
            with step.precision():
                losses = dict(self._read(model(*args, **kwargs)))
            if not found and not all(value.isfinite() for value in losses.values()):
                found.append("The outputs of all its modules are finite, and what the model makes "
                             "of them is not.")
            if not found:
                torch.stack([value for value in losses.values() if value.requires_grad]
                            ).sum().backward()
        except FloatingPointError:  # detectron2's own, by which time it is found
            pass
        finally:
            for one in hooks:
                one.remove()
        return found[0] if found else "When it is run once more, every output is finite."


class SkippedSteps:
    """Counts the steps that mixed precision skips: the loss was scaled by too much."""

    def __init__(self) -> None:
        self.count = 0

    def look(self, before: float, after: float, *, iteration: int) -> str:
        """A line on a step that was skipped, or "".

        Args:
            before: the scale of the loss before the step.
            after: that after it, lower if the step was skipped.
            iteration: of the step.

        Raises:
            ResNeStError: a scale so low that the gradients are no numbers by themselves.
        """
        if after >= before:
            return ""
        self.count += 1
        if after < 1:
            raise ResNeStError(f"Iteration {iteration}: gradients are not finite with a loss "
                               f"scaled by {before:g} either ({self.count} steps skipped so far): "
                               "train without mixed precision, or with a lower rate.")
        return (f"Iteration {iteration}: gradients of a loss scaled by {before:g} are not finite; "
                f"the step was skipped ({self.count} so far), the scale is {after:g} now.")


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
