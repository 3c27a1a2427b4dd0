"""Which format the annotations in a folder are in."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from resnest_dense.data.convert.folder import Folder
from resnest_dense.data.convert.formats import FORMATS
from resnest_dense.data.convert.readers import coco, cvat, labelme, via, voc, yolo
from resnest_dense.data.convert.record import Collection
from resnest_dense.errors import ResNeStValueError, listed

__all__ = ["read_as", "recognise"]

# What only files of a format have; COCO's sections are sought first.
_MARKS = {"coco": (rb'"images"\s*:\s*\[', rb'"annotations"\s*:\s*\[', rb'"categories"\s*:'),
          "labelme": (rb'"shapes"\s*:\s*\[', rb'"imagePath"\s*:'),
          "via": (rb'"regions"\s*:', rb'"filename"\s*:')}
_HEAD = 4096  # bytes in which the root of an XML file stands


def recognise(folder: Folder, stated: str) -> tuple[str, list[Path]]:
    """The format of the annotations in a folder, and their files.

    Args:
        folder: what is looked through.
        stated: a name of ``FORMATS``, or "" where the files are to tell.

    Raises:
        ResNeStValueError: none, several, or another than stated.
    """
    found = _sources(folder)
    seen = [f"{name} ({FORMATS[name]}; {folder.shown(paths[0])}"
            f"{f' and {len(paths) - 1} more' if len(paths) > 1 else ''})"
            for name, paths in found.items()]
    if not found:
        endings = sorted({path.suffix for path in folder.files if path not in folder.images})
        raise ResNeStValueError(f"{folder.root} has no annotations that are read: "
                                f"{len(folder.images)} images, and files ending in "
                                f"{listed(endings) or 'nothing'}. Read are "
                                f"{listed(map(': '.join, FORMATS.items()))}.")
    if len(found) > 1:
        raise ResNeStValueError(f"{folder.root} has annotations in several formats: "
                                f"{' and '.join(seen)}. Leave one of them there, or convert each "
                                "from a folder of its own.")
    if stated and stated not in found:
        raise ResNeStValueError(f"{folder.root} is not {stated}, but {seen[0]}: give --from "
                                f"{next(iter(found))}, or another folder.")
    return next(iter(found.items()))


def read_as(form: str, sources: list[Path], folder: Folder, scratch: Path) -> Collection:
    """What is in the files of a format; ``scratch`` takes images that are within other files."""
    readers: dict[str, Callable[[], Collection]] = {
        "voc": lambda: voc.read(folder, sources), "yolo": lambda: yolo.read(folder, sources),
        "labelme": lambda: labelme.read(folder, sources, scratch),
        "cvat": lambda: cvat.read(folder, sources), "via": lambda: via.read(folder, sources),
        "coco": lambda: coco.read(folder, sources)}
    return readers[form]()


def _sources(folder: Folder) -> dict[str, list[Path]]:
    """The annotation files by format."""
    found: dict[str, list[Path]] = {}
    for name, path in _each(folder):
        found.setdefault(name, []).append(path)
    return found


def _each(folder: Folder) -> Iterator[tuple[str, Path]]:
    for path in folder.ending(".json"):
        content = path.read_bytes()
        for name, marks in _MARKS.items():
            if all(re.search(mark, content) for mark in marks):
                if name == "coco" and b'"segments_info"' in content:
                    folder.report.add("panoptic", folder.shown(path))
                else:
                    yield name, path
                break
    for path in folder.ending(".xml"):
        with open(path, "rb") as file:
            root = re.search(rb"<(annotations?)[\s>]", file.read(_HEAD))
        if root:
            yield ("cvat" if root[1] == b"annotations" else "voc"), path
    for path in yolo.label_files(folder):
        # Notes beside images are no labels: each line of those begins with a number.
        line = path.read_bytes().lstrip(b"\xef\xbb\xbf\r\n ")[:100].split()
        if not line or re.fullmatch(rb"[\d.]+", line[0]):
            yield "yolo", path
