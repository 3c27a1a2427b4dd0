"""What loading did: which weights found their place, and which did not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from resnest_dense.errors import listed
from resnest_dense.weights.contract import InputContract

__all__ = ["LoadReport", "Mismatch"]

_SHOWN, _ROOM = 6, 700  # that are told of a list, and characters of it


@dataclass(frozen=True)
class Mismatch:
    """One weight whose shape differs between the file and the model."""

    name: str
    in_file: tuple[int, ...]
    in_model: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.in_file} in the file, {self.in_model} in the model"


@dataclass(frozen=True)
class LoadReport:
    """What became of the weights of a file; ``str(report)`` is one line of it.

    Counters of batches (``num_batches_tracked``) are taken over where both sides have them, and
    counted nowhere: a frozen norm has none.

    Args:
        source: what was loaded.
        layout: the layout that its names had.
        loaded: names in the model that got a value.
        missing: names in the model that the file has nothing for.
        unexpected: names in the file that the model has no place for.
        mismatched: weights whose shapes differ.
        ignored: names in the file that were left out on purpose (classifiers, heads for a model
            that has none, stages that were not built).
        backbone: how many weights of the backbone were loaded, and how many it has.
        heads: the same for the rest of the model.
        notes: what was done to weights, and what is missing on purpose.
        problem: why this is not the whole backbone; empty if it is.
        contract: the input that the weights were trained on, if known.
    """

    source: str
    layout: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[Mismatch, ...]
    ignored: tuple[str, ...]
    backbone: tuple[int, int]
    heads: tuple[int, int]
    notes: tuple[str, ...] = ()
    problem: str = ""
    contract: InputContract | None = None

    @property
    def coverage(self) -> float:
        """Share of the backbone's weights that were loaded, 0 to 1."""
        return self.backbone[0] / self.backbone[1]

    def __str__(self) -> str:
        heads = f", heads {_share(*self.heads)}" if self.heads[1] else ""
        lists = {"ignored on purpose": _grouped(self.ignored),
                 "not in the file": _grouped(self.missing),
                 "not in the model": _grouped(self.unexpected),
                 "of another shape": listed(self.mismatched, most=_SHOWN, room=_ROOM)}
        return "; ".join([
            f"{self.source}: layout {self.layout}, backbone {_share(*self.backbone)}{heads}",
            *(f"{what}: {names}" for what, names in lists.items() if names), *self.notes])


def _share(part: int, whole: int) -> str:
    # 100 % means all, so what is short of it is never rounded up to it.
    return f"{100 * part // whole}% ({part}/{whole})"


def _grouped(names: Sequence[str]) -> str:
    """The names, or where they are many, the parts of the model that they are in."""
    if len(names) <= _SHOWN:
        return listed(names)
    for depth in (2, 1):
        parts = Counter(".".join(name.split(".")[:-1][:depth]) for name in names)
        if len(parts) <= _SHOWN:
            break
    return listed((f"{part}.* ({count})" for part, count in parts.items()), most=_SHOWN)
