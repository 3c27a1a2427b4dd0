"""A plan: a shipped config, and the settings that follow from data and machine."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from resnest_dense.errors import clipped
from resnest_dense.planning.rules import Derived

__all__ = ["Plan", "Setting", "Step"]

class Step(NamedTuple):
    """A training step, so far as it is known."""

    batch: int = 2  # images
    batch_reason: str = ""
    seconds: float | None = None  # that it takes
    parts: Derived = Derived(1, "memory holds it whole")  # that go through the model in turn


class Setting(NamedTuple):
    """A key of a config."""

    key: str
    value: Any
    reason: str


@dataclass
class Plan:
    """What is trained."""

    config: str  # name or path of the config that it is based on
    settings: list[Setting] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)  # height and width of the largest images of a step

    def set(self, key: str, value: Any, reason: str) -> None:
        self.settings.append(Setting(key, value, reason))

    def has(self, key: str) -> bool:
        return any(setting.key == key for setting in self.settings)

    def derive(self, keys: str | Iterable[str], derived: Derived) -> Any:
        """Sets keys to what a rule gives, and returns that."""
        for key in [keys] if isinstance(keys, str) else keys:
            self.set(key, *derived)
        return derived.value

    def table(self) -> str:
        """The settings in lines, with their reasons."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"Based on {self.config}; with"
        width = max(len(setting.key) for setting in self.settings)
        for key, value, reason in self.settings:
            yield f"  {key:{width}} = {clipped(value)}   ({reason})"
