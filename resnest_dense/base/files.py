"""Files written beside their place and then renamed, and files linked into a folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnest_dense.errors import ResNeStValueError

__all__ = ["PART", "beside", "inside", "link"]

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


def inside(folder: str | os.PathLike, name: str) -> Path:
    """Where a file goes that annotations name, in ``folder``.

    Raises:
        ResNeStValueError: a name that leads out of it.
    """
    path = Path(folder, name)
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise ResNeStValueError(f"{name!r} leads out of {folder}, where it would be written: name "
                                "files by paths below the folder of the set.")
    return path


def link(source: Path, target: Path) -> bool:
    """Puts a file at ``target`` too, whose folder is made: as a hard link, which takes no room, or
    as a copy where the file system has none; whether it is a link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
        return False
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
