"""Files written beside their place and then renamed, and files linked into a folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["beside", "link"]


@contextmanager
def beside(path: str | os.PathLike) -> Iterator[Path]:
    """Where to write what is to be at ``path``, whose folder is made: it gets its name after the
    block, and is deleted if that raises."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


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
