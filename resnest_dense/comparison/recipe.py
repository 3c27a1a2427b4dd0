"""What a framework gives for a comparison: one recipe in which backbones take turns."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnest_dense.analysis import Analysis
from resnest_dense.analysis.speed import ModelCase
from resnest_dense.errors import ResNeStValueError
from resnest_dense.weights import InputContract

__all__ = ["Member", "Recipe", "require_learnt"]


@dataclass(frozen=True)
class Member:
    """A backbone of the comparison, and what it starts from.

    Args:
        network: one of :func:`resnest_dense.list_architectures`.
        weights: a catalog name, a path or an address; "" for random ones.
        recipe: how those were trained, in words; "" for random ones.
        top1: their ImageNet accuracy in percent, where it is published.
        contract: the input that they were trained on, where it is known.
    """

    network: str
    weights: str = ""
    recipe: str = ""
    top1: float | None = None
    contract: InputContract | None = None


class Recipe(ABC):
    """A config with the data and settings of the command line.

    Every method raises :class:`resnest_dense.ResNeStError` for what a member cannot run.
    """

    suffix: str
    """Of its config files."""

    @abstractmethod
    def settings(self, member: Member) -> dict[str, Any]:
        """All settings of the member's runs but for seed and folder, for :mod:`json`."""

    @abstractmethod
    def write(self, member: Member, path: Path) -> None:
        """Writes the member's config, with which its runs and its model are started."""

    @abstractmethod
    def training(self, config: Path, seed: int, out: Path) -> list[str]:
        """The framework's own training as a command; it goes on with what is in ``out``."""

    @abstractmethod
    def measuring(self, config: Path, out: Path) -> list[str]:
        """The framework's own test of the last checkpoint in ``out`` as a command."""

    @abstractmethod
    def scores(self, out: Path) -> dict[str, float]:
        """What the finished run in ``out`` scored at its end, in percent by metric, the one that
        matters most first; {} where it was not measured."""

    @abstractmethod
    def analyze(self, config: Path) -> Analysis:
        """What the model of a written config costs."""

    @abstractmethod
    def case(self, config: Path, variant: str, size: tuple[int, int], images: int,
             device: str) -> ModelCase:
        """How the model of a written config is measured."""


def require_learnt(norm: str, key: str, member: Member) -> None:
    """Refuses batch norms that do not learn in a network that starts from random weights.

    Raises:
        ResNeStValueError: such a ``norm``, which the config has at ``key``.
    """
    if not member.weights and re.search("frozen", norm, re.IGNORECASE):
        raise ResNeStValueError(f"{key} {norm}: norms that do not learn cannot start from scratch. "
                                "Set BN or GN there, or give --weights.")
