"""A line with what is done and the time left, on a terminal, for what takes more than seconds."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["be_quiet", "counting", "progress"]

_SECONDS = 2.0  # before a line is shown
_Thing = TypeVar("_Thing")
_state = {"quiet": False}


def be_quiet(quiet: bool = True) -> None:
    """Whether this process shows no progress from now on."""
    _state["quiet"] = quiet


def progress(things: Iterable[_Thing], what: str, *, total: int | None = None) -> Iterable[_Thing]:
    """The things one by one.

    Args:
        things: to work on.
        what: they are, such as "images".
        total: number of them, where ``len`` does not tell.
    """
    return _line(what, things, total=total)


@contextmanager
def counting(what: str, *, scale: bool = False) -> Iterator[Callable[[int, int | None], None]]:
    """A function to be told how much is done, and how much there is (None where unknown).

    Args:
        what: is counted, such as "B".
        scale: counts are large, and shown as k and M.
    """
    with _line(what, unit_scale=scale) as line:
        def tell(done: int, total: int | None) -> None:
            line.total = total
            line.update(done - line.n)

        yield tell


def _line(what: str, *things: Any, **options: Any) -> Any:
    from tqdm import tqdm  # type: ignore[import-untyped]  # not where nothing takes long

    # None: where stderr is no terminal, nothing is shown.
    return tqdm(*things, unit=f" {what}", delay=_SECONDS, disable=_state["quiet"] or None,
                dynamic_ncols=True, **options)
