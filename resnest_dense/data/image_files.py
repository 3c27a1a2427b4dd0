"""An image file looked at before training: there, whole, how large as it is read, what is odd."""

import os
from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import Image

from resnest_dense.data.images import find_oddities, read_orientation
from resnest_dense.errors import ResNeStValueError

__all__ = ["Look", "look_at"]

_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}  # the last marker of a whole file
_END = 64  # bytes in which it is looked for
_TAIL = 1 << 16  # bytes in which a PNG's orientation may follow its pixels, in one of these blocks
_TURNING = ("exif", "eXIf", "XML:com.adobe.xmp", "Raw profile type exif")


@dataclass
class Look:
    """What the head and the end of an image file tell."""

    size: tuple[int, int]  # width and height in pixels, as the image is read
    stored: tuple[int, int]  # as they are in the file, before it is turned
    orientation: int  # 1 is upright
    faults: list[tuple[str, str]] = field(default_factory=list)  # kinds of the table, details


def look_at(path: str | os.PathLike) -> Look:
    """Looks at one file; its pixels are decoded only in doubt.

    Raises:
        FileNotFoundError: no such file.
        ResNeStValueError: a file that is no image.
    """
    try:
        with open(path, "rb") as file, Image.open(file) as picture:
            faults = list(find_oddities(picture))
            tail = _read_tail(file)
            size, orientation = picture.size, _orientation(picture, tail)
            if not _is_whole(picture, tail):
                faults.append(("image-truncated", ""))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(f"no file {path}") from error
    except Exception as error:  # each of Pillow's decoders raises its own
        raise ResNeStValueError(str(error)) from error
    other = size[::-1] if orientation >= 5 else size
    # Pillow gives TIFFs the size that they have when turned.
    upright, stored = (size, other) if picture.format == "TIFF" else (other, size)
    return Look(upright, stored, orientation, faults)


def _read_tail(file: BinaryIO) -> bytes:
    place = file.tell()
    file.seek(-min(_TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
    tail = file.read()
    file.seek(place)
    return tail


def _orientation(picture: Image.Image, tail: bytes) -> int:
    # Without an orientation in its head, Pillow would decode a whole PNG to look for one behind.
    if picture.format == "PNG" and not any(
            name in picture.info or name.encode() in tail for name in _TURNING):
        return 1
    return read_orientation(picture)


def _is_whole(picture: Image.Image, tail: bytes) -> bool:
    """Whether the data are all there; decodes files that do not end as their format does."""
    if picture.format in _ENDS and _ENDS[picture.format] in tail[-_END:]:
        return True
    try:
        picture.load()
    except Exception:
        return False
    return True
