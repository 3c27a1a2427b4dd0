"""The image files of a COCO-format set: there, whole, of the right size and kind."""

import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from resnest_dense.data.coco.entries import is_extent, name_image
from resnest_dense.data.coco.report import CocoReport

__all__ = ["check_image_files"]

_THREADS = 16  # more than cores, as most of the time goes into waiting for the disk
_CHUNK = 256  # files that a thread takes at once
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}  # the last marker of a whole file
_TAIL = 64  # bytes in which it is looked for
_ORIENTATION = 274  # EXIF tag; 1 is upright, 5 to 8 swap width and height
_DEEP = ("I", "F")  # first letter of PIL's modes of 16 and 32 bits


def check_image_files(report: CocoReport, images: list[dict], image_root: str | Path) -> None:
    """Opens each image file and compares it with its entry; pixels are decoded only in doubt.

    Args:
        images: the section; entries without a usable file_name are passed over.
        image_root: folder that ``file_name`` starts from.
    """
    if not Path(image_root).is_dir():
        report.add("image-folder", str(image_root))
        return
    named = [image for image in images
             if isinstance(image.get("file_name"), str) and image["file_name"]]
    chunks = [named[start:start + _CHUNK] for start in range(0, len(named), _CHUNK)]

    def inspect(chunk: list[dict]) -> list[tuple[str, str]]:
        return [(kind, name_image(image) + detail) for image in chunk
                for kind, detail in _faults(os.path.join(image_root, image["file_name"]), image)]

    with ThreadPoolExecutor(_THREADS) as pool:
        for kind, example in chain.from_iterable(pool.map(inspect, chunks)):
            report.add(kind, example)


def _faults(path: str, image: dict) -> list[tuple[str, str]]:
    """The faults of one file, as (kind, detail)."""
    try:
        with open(path, "rb") as file, Image.open(file) as picture:
            faults = [*_size_faults(picture, image)]
            if picture.mode not in ("RGB", "P"):
                kind = "image-depth" if picture.mode.startswith(_DEEP) else "image-mode"
                faults.append((kind, f": mode {picture.mode}"))
            return [*faults, ("image-truncated", "")] if _is_cut(file, picture) else faults
    except (FileNotFoundError, NotADirectoryError):
        return [("image-missing", f": no file {path}")]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return [("image-unreadable", f": {error}")]


def _size_faults(picture: Image.Image, image: dict) -> Iterator[tuple[str, str]]:
    orientation = _orientation(picture)
    turned = orientation in (5, 6, 7, 8)
    seen = picture.size[::-1] if turned else picture.size
    wanted = image.get("width"), image.get("height")
    if all(map(is_extent, wanted)) and seen != wanted:
        kind = "image-turned" if turned and picture.size == wanted else "image-size"
        yield kind, f": the JSON says {wanted[0]}x{wanted[1]}, detectron2 reads {seen[0]}x{seen[1]}"
    elif orientation != 1:
        yield "image-orientation", f": orientation {orientation}"


def _orientation(picture: Image.Image) -> int:
    # Without an EXIF block in its head, PIL would decode a whole PNG to look for one behind.
    if picture.format == "PNG" and "exif" not in picture.info:
        return 1
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, TypeError, struct.error):
        return 1  # detectron2 reads images with broken EXIF as they are
    return orientation if orientation in range(2, 9) else 1


def _is_cut(file: BinaryIO, picture: Image.Image) -> bool:
    """Whether the data end too early; decodes files that do not end as their format does."""
    if picture.format in _ENDS:
        file.seek(-min(_TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
        if _ENDS[picture.format] in file.read():
            return False
    try:
        picture.load()
    except OSError:
        return True
    return False
