"""The errors of resnest_dense: every one names the thing, the place and the remedy."""

import difflib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["ResNeStError", "ResNeStValueError", "clipped", "differences", "listed", "log_traceback",
           "name_extra", "near", "printable", "require_counts", "require_switches"]

_SHOWN = 24  # things in a list
_ROOM = 400  # characters of a list
_LONGEST = 160  # characters of a thing in it
_HEAD, _TAIL = 1300, 500  # bytes that are left of a message of more than both
# Which extra of ours brings a package that is not there.
_EXTRAS = {
    "torch": ("torch", "torchvision"), "runtime": ("onnxruntime", "openvino"),
    "export": ("onnx",),
    "serve": ("fastapi", "uvicorn", "python_multipart"), "slurm": ("submitit",),
    "mmseg": ("mmseg", "mmengine", "mmcv"),
    "detectron2": ("detectron2", "fvcore", "iopath", "yacs", "pycocotools")}


class ResNeStError(Exception):
    """Base of every error that resnest_dense raises on purpose; of a message that is far too long,
    beginning and end are shown."""

    def __str__(self) -> str:
        whole = printable(super().__str__()).encode()
        if len(whole) <= _HEAD + _TAIL:
            return whole.decode()
        head, tail = (part.decode(errors="ignore") for part in (whole[:_HEAD], whole[-_TAIL:]))
        return f"{head} [...] {tail}"


class ResNeStValueError(ResNeStError, ValueError):
    """A value that cannot be used: an argument, a config key, an entry of a file."""


def listed(things: Iterable[object], *, most: int = _SHOWN, room: int = _ROOM,
           longest: int = _LONGEST, between: str = ", ") -> str:
    """The things in words, ``between`` each two: the first ones, up to ``most`` of them and about
    ``room`` characters, and how many more there are; one of more than ``longest`` characters loses
    its middle. All lists in messages are written by this.
    """
    texts = [_cut(str(thing), longest) for thing in things]
    shown = 0
    while shown < min(most, len(texts)) and (not shown or room >= len(texts[shown])):
        room -= len(texts[shown]) + len(between)
        shown += 1
    more = f"{between}and {len(texts) - shown} more" if len(texts) > shown else ""
    return between.join(texts[:shown]) + more


def printable(text: str) -> str:
    """A text that every terminal takes: half of a pair of surrogates, which JSON and names of files
    can hold, stands there as its number."""
    return text.encode(errors="backslashreplace").decode()


def require_switches(**given: object) -> None:
    """Refuses arguments, by name, that are neither True nor False: the text "False" would be on.

    Raises:
        ResNeStValueError: the first such argument.
    """
    for name, value in given.items():
        if not isinstance(value, bool):
            raise ResNeStValueError(f"{name}={value!r}: use True or False.")


def require_counts(**given: object) -> None:
    """Refuses arguments, by name, that are no whole numbers of at least 1.

    Raises:
        ResNeStValueError: the first such argument.
    """
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ResNeStValueError(f"{name}={value!r}: use a whole number of at least 1.")


def clipped(value: object, width: int = 60) -> str:
    """A value in a table: one of more than ``width`` characters loses its end."""
    text = str(value)
    return text if len(text) <= width else f"{text[:width - 3]}..."


def near(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the names nearest to ``name``, and lists the known ones."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{hint}Known: {listed(known)}."


def differences(one: object, other: object) -> str:
    """Where two values differ that are alike in kind: mappings and lists entry by entry."""
    left, right = dict(_leaves(one)), dict(_leaves(other))
    keys = [key for key in {**left, **right} if left.get(key, _NONE) != right.get(key, _NONE)]
    return listed((f"{f'{key}: ' if key else ''}{left.get(key, _NONE)} and {right.get(key, _NONE)}"
                   for key in keys), between="; ")


_NONE = "nothing"


def _leaves(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    entries: Iterable[tuple[Any, object]] | None = (
        value.items() if isinstance(value, Mapping)
        else enumerate(value) if isinstance(value, Sequence) and not isinstance(value, str)
        else None)
    if entries is None:
        yield key, repr(value)
        return
    for name, entry in entries:
        yield from _leaves(entry, f"{key}.{name}" if key else str(name))


def _cut(text: str, longest: int) -> str:
    text, half = printable(text), longest // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def name_extra(error: ImportError) -> str | None:
    """A sentence about the package that an import lacks and the extra that brings it; None if no
    extra of ours does."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in _EXTRAS.items():
        if package in packages:
            return (f"{package} is not installed: pip install 'resnest_dense[{extra}]', or see "
                    "docs/install.md.")
    return None


def log_traceback(message: str, *args: object) -> None:
    """Logs the error that is being handled, with its traceback, at level DEBUG and into log files
    alone: on the console an error is one line, where ``-v`` does not ask for more."""
    logger = logging.getLogger("resnest_dense")
    consoles = [handler for handler in logger.handlers if isinstance(handler, logging.StreamHandler)
                and not os.path.isfile(str(getattr(handler.stream, "name", "")))]
    for handler in consoles:
        handler.addFilter(_nothing)
    logger.debug(message, *args, exc_info=True)
    for handler in consoles:
        handler.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False
