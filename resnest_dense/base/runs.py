"""What one run leaves for the next one: classes compared by name, settings, folders in use."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from resnest_dense.errors import ResNeStError, ResNeStValueError, listed

__all__ = ["OVERWRITE", "changed_settings", "check_settings", "class_order", "goes_on",
           "remove_run", "require_same_classes"]

OVERWRITE = "--overwrite"
_SHOWN, _WIDTH = 8, 40  # entries of a list in a message, and letters of each


def class_order(trained: Sequence[str], wanted: Sequence[str], *, sides: tuple[str, str],
                remedy: str) -> tuple[int, ...] | None:
    """The place of each class of a model among the classes that are wanted of it, by name; None
    where both are in the same order.

    Args:
        trained: names in the order of the network's outputs.
        wanted: names of a data set.
        sides: what has the one names, and what the others.
        remedy: what to do where names differ.

    Raises:
        ResNeStValueError: other names.
    """
    one, other = _plain(trained), _plain(wanted)
    if one == other:
        return None
    place = {name: i for i, name in enumerate(other)}
    if len(place) < len(other) or len(one) != len(other) or {*one} != {*other}:
        raise ResNeStValueError(f"{_difference(one, other, sides)} {remedy}")
    return tuple(place[name] for name in one)


def require_same_classes(kept: Sequence[str], given: Sequence[str], *, sides: tuple[str, str],
                         remedy: str) -> None:
    """As :func:`class_order`, but another order is an error too."""
    if class_order(kept, given, sides=sides, remedy=remedy) is not None:
        raise ResNeStValueError(f"{_difference(_plain(kept), _plain(given), sides)} {remedy}")


def changed_settings(old: Mapping, new: Mapping) -> dict[str, tuple[Any, Any]]:
    """The settings that differ between two nested configs, under their dotted names, with both
    values; None for what is not there.
    """
    one, other = dict(_flat(old)), dict(_flat(new))
    return {key: (one.get(key), other.get(key)) for key in sorted({*one, *other})
            if one.get(key) != other.get(key)}


def check_settings(changes: Mapping[str, tuple[Any, Any]], is_fixed: Callable[[str], bool], *,
                   remedy: str) -> str:
    """The changes of a run that goes on, in words.

    Raises:
        ResNeStValueError: a change that makes another model.
    """
    lines = {key: f"{key} {_named([old])} -> {_named([new])}"
             for key, (old, new) in changes.items()}
    fixed = [line for key, line in lines.items() if is_fixed(key)]
    if fixed:
        raise ResNeStValueError("The config is not that of the run so far, and its model another: "
                                f"{listed(fixed, most=_SHOWN)}. {remedy}")
    return listed(lines.values(), most=_SHOWN)


def goes_on(folder: str | Path, checkpoint: Path | None, *, resume: bool, overwrite: bool,
            key: str) -> bool:
    """Whether a run in ``folder`` goes on from the last ``checkpoint`` there; ``key`` is what names
    the folder.

    Raises:
        ResNeStError: a new run where there is one already, or one that is to do both.
    """
    if resume and overwrite:
        raise ResNeStError(f"--resume goes on with a run and {OVERWRITE} replaces it: give one.")
    if checkpoint is None or overwrite:
        return False
    if not resume:
        raise ResNeStError(f"{folder} holds a run, with {checkpoint.name}: give --resume to go on "
                           f"with it, another folder ({key}), or {OVERWRITE} to have it replaced.")
    return True


def remove_run(folder: Path, patterns: Iterable[str], *, keep: str) -> None:
    """Deletes what matches in the folder of a run, but for the file ``keep``: what a run that takes
    its place would be mixed up with.
    """
    for path in [path for pattern in patterns for path in folder.glob(pattern)]:
        if path.resolve() != Path(keep).resolve():
            path.unlink()


def _named(names: Sequence[object]) -> str:
    return listed(names, most=_SHOWN, longest=_WIDTH)


def _plain(names: Sequence[str]) -> list[str]:
    return [str(name).strip() for name in names]


def _difference(one: list[str], other: list[str], sides: tuple[str, str]) -> str:
    both = [f"{len(names)} in {side} ({_named(names)})"
            for names, side in zip((one, other), sides)]
    lacking = [f"only in {side}: {_named(rest)}" for side, rest in zip(sides, (
        [name for name in one if name not in {*other}],
        [name for name in other if name not in {*one}])) if rest]
    places = [f"class {i} is {_named([a])!r} there and {_named([b])!r} here"
              for i, (a, b) in enumerate(zip(one, other)) if a != b]
    return (f"The classes differ: {', '.join(both)}; "
            f"{'; '.join([*lacking, *places[:2 if lacking else 3]])}.")


def _flat(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each leaf of a nested config with its dotted name."""
    entries: Iterable = ()
    if isinstance(node, Mapping):
        entries = node.items()
    elif isinstance(node, (list, tuple)) and any(isinstance(entry, Mapping) for entry in node):
        entries = enumerate(node)
    elif name:
        yield name, list(node) if isinstance(node, tuple) else node
    for key, value in entries:
        yield from _flat(value, f"{name}.{key}" if name else str(key))
