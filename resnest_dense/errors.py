"""The errors of resnest_dense: every one names the thing, the place and the remedy."""

import difflib
from collections.abc import Iterable

__all__ = ["ResNeStError", "ResNeStValueError", "near"]

_SHOWN = 24


class ResNeStError(Exception):
    """Base of every error that resnest_dense raises on purpose."""


class ResNeStValueError(ResNeStError, ValueError):
    """A value that cannot be used: an argument, a config key, an entry of a file."""


def near(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the names nearest to ``name``, and the known ones (the first 24)."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"{hint}Known: {', '.join(known[:_SHOWN])}{more}."
