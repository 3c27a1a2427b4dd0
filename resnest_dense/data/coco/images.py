"""The image files of a COCO-format set: there, whole, of the right size and kind."""

import os
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from resnest_dense.base.progress import progress
from resnest_dense.data.coco.entries import is_extent, name_image
from resnest_dense.data.coco.report import CocoReport
from resnest_dense.data.image_files import Look, look_at
from resnest_dense.errors import ResNeStValueError

__all__ = ["check_image_files"]

_THREADS = 16  # more than cores, as most of the time goes into waiting for the disk
_CHUNK = 256  # files that a thread takes at once


def check_image_files(report: CocoReport, images: list[dict], image_root: str | Path) -> None:
    """Opens each image file and compares it with its entry; pixels are decoded only in doubt.

    Args:
        images: the section; entries without a usable file_name are passed over.
        image_root: folder that ``file_name`` starts from.
    """
    root = Path(image_root)
    if not root.is_dir():
        report.add("image-folder", str(image_root))
        return
    named = [image for image in images
             if isinstance(image.get("file_name"), str) and image["file_name"]]
    chunks = [named[start:start + _CHUNK] for start in range(0, len(named), _CHUNK)]
    present: dict[str, str] = {}

    def inspect(chunk: list[dict]) -> list[list[tuple[str, str]]]:
        return [_faults(os.path.join(root, image["file_name"]), image) for image in chunk]

    with ThreadPoolExecutor(_THREADS) as pool:
        every = chain.from_iterable(pool.map(inspect, chunks))
        for image, faults in zip(named, progress(every, "images", total=len(named))):
            for kind, detail in faults:
                if kind == "image-missing":
                    present = present or _list_files(root)
                    kind, detail = _explain_missing(image["file_name"], detail, present)
                report.add(kind, name_image(image) + detail)


def _faults(path: str, image: dict) -> list[tuple[str, str]]:
    """The faults of one file, as (kind, detail)."""
    try:
        look = look_at(path)
        return [*_size_faults(look, image), *look.faults]
    except FileNotFoundError as error:
        return [("image-missing", f": {error}")]
    except ResNeStValueError as error:
        return [("image-unreadable", f": {error}")]


def _list_files(root: Path) -> dict[str, str]:
    """Where the files below a folder are, by their paths and by their mere names in one form."""
    found: dict[str, str] = {}
    for path in root.rglob("*"):
        place = path.relative_to(root).as_posix()
        found.setdefault(_normal(path.name), place)
        found[_normal(place)] = place
    return found


def _explain_missing(name: str, detail: str, present: dict[str, str]) -> tuple[str, str]:
    other = present.get(_normal(name)) or present.get(_normal(os.path.basename(name)))
    if other and _normal(other) == _normal(name):
        return "image-unicode", f": the file is {other!a}, file_name {name!a}"
    return "image-missing", detail + (f"; there is {other}" if other else "")


def _size_faults(look: Look, image: dict) -> Iterator[tuple[str, str]]:
    wanted = image.get("width"), image.get("height")
    if all(map(is_extent, wanted)) and look.size != wanted:
        kind = "image-turned" if look.stored == wanted else "image-size"
        yield kind, (f": the JSON says {wanted[0]}x{wanted[1]}, detectron2 reads "
                     f"{look.size[0]}x{look.size[1]}")
    elif look.orientation != 1:
        yield "image-orientation", f": orientation {look.orientation}"


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)
