"""Files written beside their place and then renamed: whole under their name, or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["beside"]


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
