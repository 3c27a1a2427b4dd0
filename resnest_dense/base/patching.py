"""A name of a framework that an adapter replaces: what for, until when, and the way back."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Patch"]

_ABSENT = object()


@dataclass(eq=False)
class Patch:
    """Another value for a name of a framework, from :meth:`install` to :meth:`uninstall`.

    Args:
        owner: a module or class with that attribute, or a mapping with that key; may be without.
        name: of the attribute, or the key.
        replacement: what stands there instead.
        reason: what fails without it.
        until: when the patch may go.
    """

    owner: Any
    name: str
    replacement: Any
    reason: str
    until: str

    def __post_init__(self) -> None:
        self._saved: list[Any] = []  # the value before, while the patch is in

    def install(self) -> None:
        """Puts it in; a patch that is in stays as it is."""
        if not self._saved:
            # As it is stored: a class method not bound.
            self._saved.append(self._names().get(self.name, _ABSENT))
            self._put(self.replacement)

    def uninstall(self) -> None:
        """Leaves the owner as it was before :meth:`install`."""
        if self._saved:
            self._put(self._saved.pop())

    def _names(self) -> MutableMapping[str, Any]:
        return self.owner if isinstance(self.owner, MutableMapping) else vars(self.owner)

    def _put(self, value: Any) -> None:
        if isinstance(self.owner, MutableMapping):
            self.owner.pop(self.name, None)
            if value is not _ABSENT:
                self.owner[self.name] = value
        elif value is _ABSENT:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, value)
