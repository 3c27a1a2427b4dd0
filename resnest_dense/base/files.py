"""Files written beside their place and then renamed: whole under their name, or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PART", "beside"]


PART = ".part"  # behind the name of a file that is being written


@contextmanager
def beside(path: str | os.PathLike, *, synced: bool = False) -> Iterator[Path]:
    """Where to write what is to be at ``path``, whose folder is made: it gets its name after the
    block, and is deleted if that raises. With ``synced`` it is on the disk before it has the name,
    and the name before the next statement."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    try:
        yield part
        if synced:
            _sync(part)
        os.replace(part, path)
        if synced and os.name == "posix":  # elsewhere a folder cannot be opened
            _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
