"""Images per second and memory of whole models, whatever framework they are of."""

import dataclasses
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from resnest_dense.analysis.memory import in_own_process, peak_growth
from resnest_dense.analysis.timing import time_in_turn
from resnest_dense.errors import ResNeStError
from resnest_dense.inference.compile import constant_weights
from resnest_dense.inference.fuse import fuse

__all__ = ["PARTS", "VARIANTS", "Figures", "ModelCase", "figures_table", "measure_models"]

PARTS = ("eval", "train", "memory")
# Largest relative difference (2-norm) of outputs from those of the plain model.
_TOLERANCES = {"float32": 1e-3, "bfloat16": 0.1, "float16": 0.02}


@dataclasses.dataclass(frozen=True)
class ModelCase(ABC):
    """One whole model, one way to compute it, and random images for it.

    Args:
        config: path, or the name of a shipped one.
        variant: "plain", "fused" (:func:`resnest_dense.fuse`, eval only) or "compiled" (the
            backbone by ``torch.compile``, in eval after fusing).
        size: height and width of the images.
        images: how many in a batch.
        device: where it computes.
        dtype: "float32", or "bfloat16" or "float16" by autocast.
    """

    config: str
    variant: str = "plain"
    size: tuple[int, int] = (800, 1216)
    images: int = 1
    device: str = "cpu"
    dtype: str = "float32"

    @property
    def trains(self) -> bool:
        """Whether this variant can be trained."""
        return self.variant != "fused"

    @property
    def weights(self) -> str:
        """Cases with the same answer have the same weights, and must put out the same numbers."""
        return self.config

    @abstractmethod
    def build(self) -> nn.Module:
        """The plain model with random weights, before the variant is applied."""

    @abstractmethod
    def draw_batch(self, *, training: bool) -> object:
        """Random images, with annotations if they are to train on."""

    @abstractmethod
    def predict(self, model: nn.Module, batch: object) -> object:
        """What the model finds in ``batch``."""

    @abstractmethod
    def outputs(self, model: nn.Module, batch: object) -> Sequence[Tensor]:
        """The tensors that must be the same for all variants."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: object) -> Tensor:
        """The sum of the losses of ``batch``."""

    def prepare(self, *, training: bool) -> nn.Module:
        """The model of this variant, the same weights each time."""
        torch.manual_seed(0)
        model = self.build().to(self.device)
        model.train(training)
        return _APPLY[self.variant](model)

    def step(self, model: nn.Module, *, training: bool) -> Callable[[], object]:
        """One prediction, or the forward and backward of one training step."""
        batch = self.draw_batch(training=training)
        autocast = torch.autocast(torch.device(self.device).type, getattr(torch, self.dtype),
                                  enabled=self.dtype != "float32")

        def evaluate():
            with torch.no_grad(), autocast, constant_weights():
                self.predict(model, batch)

        def train():
            torch.manual_seed(0)  # Detectors draw which proposals they learn from.
            with autocast:
                loss = self.loss(model, batch)
            loss.backward()
            model.zero_grad()

        return train if training else evaluate


def _compile(model: nn.Module) -> nn.Module:
    if not model.training:
        model = fuse(model)
    model.get_submodule("backbone").compile()
    return model


_APPLY = {"plain": lambda model: model, "fused": fuse, "compiled": _compile}
VARIANTS = tuple(_APPLY)


@dataclasses.dataclass
class Figures:
    """What was measured of one case; None where it was not.

    Args:
        eval_speed: images per second in eval.
        train_speed: images per second in forward and backward of a training step.
        peak_bytes: what a training step needs at its peak beyond the model.
    """

    eval_speed: float | None = None
    train_speed: float | None = None
    peak_bytes: int | None = None


def measure_models(cases: Mapping[str, ModelCase], *, rounds: int,
                   parts: Collection[str] = PARTS) -> dict[str, Figures]:
    """Figures of ``cases`` by name, timed in turn.

    Args:
        cases: what to measure, all on one device.
        rounds: how often each is timed.
        parts: what to measure: "eval", "train", "memory" (of a training step).

    Raises:
        ResNeStError: two cases of the same weights do not put out the same numbers.
    """
    figures = {name: Figures() for name in cases}
    if "eval" in parts:
        check_same_outputs(cases)
        _time(cases, figures, rounds, training=False)
    trained = {name: case for name, case in cases.items() if case.trains}
    if "train" in parts:
        _time(trained, figures, rounds, training=True)
    if "memory" in parts:
        for name, case in trained.items():
            figures[name].peak_bytes = in_own_process(_peak_of_step, case)
    return figures


def check_same_outputs(cases: Mapping[str, ModelCase]) -> None:
    """Stops where models of the same weights differ; models of other numbers are no comparison."""
    expected: dict[str, Sequence[Tensor]] = {}
    count = Counter(case.weights for case in cases.values())
    for name, case in cases.items():
        if count[case.weights] == 1:
            continue
        with torch.no_grad():
            found = case.outputs(case.prepare(training=False), case.draw_batch(training=False))
        for a, b in zip(found, expected.setdefault(case.weights, found), strict=True):
            difference = float((a.float() - b.float()).norm() / b.float().norm())
            if not difference <= _TOLERANCES[case.dtype]:
                raise ResNeStError(f"{name}: its outputs differ from those of the first model of "
                                   f"{case.weights} by {difference:.2g} of their size.")


def _time(cases: Mapping[str, ModelCase], figures: dict[str, Figures], rounds: int, *,
          training: bool) -> None:
    runs = {name: case.step(case.prepare(training=training), training=training)
            for name, case in cases.items()}
    device = next(iter(cases.values())).device
    for name, timing in time_in_turn(runs, rounds=rounds, device=device, warm_up=1).items():
        speed = cases[name].images / timing.median
        setattr(figures[name], "train_speed" if training else "eval_speed", speed)


def _peak_of_step(case: ModelCase) -> int | None:
    return peak_growth(case.step(case.prepare(training=True), training=True), case.device)


def figures_table(figures: Mapping[str, Figures]) -> str:
    """The figures as a Markdown table."""
    lines = ["| model | eval, images/s | training, images/s | training, peak MB |",
             "|---|---|---|---|"]
    for name, found in figures.items():
        peak = None if found.peak_bytes is None else found.peak_bytes / 1e6
        cells = (_cell(found.eval_speed, 3), _cell(found.train_speed, 3), _cell(peak, 0))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
