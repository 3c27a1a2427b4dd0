"""What is done with each image of many: past those that fail, which are told at the end, and with
results on the disk as it goes."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from resnest_dense.base.files import beside
from resnest_dense.base.progress import progress
from resnest_dense.data.images import read_rgb
from resnest_dense.data.inputs import ImageFile
from resnest_dense.errors import listed, log_traceback

__all__ = ["JsonList", "WriteFound", "attempt", "each_image", "save_picture", "tell_failures"]

_ROOM = 1200  # characters of failures that are told
_FAILURES = "failures.txt"
_Found = TypeVar("_Found")
WriteFound = Callable[[_Found, np.ndarray, ImageFile, int], None]
"""Writes what was found in an image: that, the image, its names, its number from 1 on."""


def each_image(images: Sequence[ImageFile], find: Callable[[np.ndarray], _Found],
               write: WriteFound) -> dict[str, str]:
    """Finds something in each image, and writes it before the next one is read.

    Args:
        images: files.
        find: of an image (H, W, 3), RGB, uint8, what ``write`` gets.
        write: its errors end everything, as those of a full disk should.

    Returns:
        The files that could not be read, or in which nothing could be found, and why.
    """
    failures: dict[str, str] = {}
    for number, file in enumerate(progress(images, "images"), start=1):
        with attempt(str(file.path), failures):
            image = read_rgb(file.path)
            found = find(image)
        if str(file.path) not in failures:
            write(found, image, file, number)
    return failures


@contextmanager
def attempt(name: str, failures: dict[str, str]) -> Iterator[None]:
    """Inside: an error is noted among ``failures`` under a name, and ends the block alone."""
    try:
        yield
    except Exception as error:  # of readers and networks, which raise all kinds
        log_traceback("%s failed:", name)
        failures[name] = " ".join(str(error).split()) or type(error).__name__


def tell_failures(failures: Mapping[str, str], count: int, out: str | Path) -> int:
    """Lists what failed of ``count`` things, on stderr and in full in ``failures.txt`` of the
    folder ``out``; the exit code."""
    if not failures:
        return 0
    lines = [why if name in why else f"{name}: {why}" for name, why in failures.items()]
    with beside(Path(out, _FAILURES)) as part:
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(f"{len(lines)} of {count} failed (all of them in {Path(out, _FAILURES)}):\n  "
          + listed(lines, room=_ROOM, between="\n  "), file=sys.stderr)
    return 1


def save_picture(picture: Image.Image, path: Path) -> None:
    """Writes a PNG."""
    with beside(path) as part:
        picture.save(part, format="PNG")


class JsonList:
    """A JSON file with a list that grows on the disk, an entry a line; until it is closed, what
    there is stands beside it in ``NAME.part``."""

    def __init__(self, path: Path, head: str = "["):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._file = open(self._part, "w", encoding="utf-8")  # noqa: SIM115 (open for long)
        self._file.write(head)
        self._between = "\n"

    def add(self, entries: Iterable[object]) -> None:
        """Writes more entries."""
        for entry in entries:
            self._file.write(self._between + json.dumps(entry))
            self._between = ",\n"
        self._file.flush()

    def close(self, tail: str = "\n]\n") -> None:
        """Ends the file, which then gets its name."""
        self._file.write(tail)
        self._file.close()
        os.replace(self._part, self._path)
