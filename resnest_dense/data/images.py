"""The one reader of images: what training, prediction, drawing and every check see of a file.

An image is the first page or frame of its file, turned as its EXIF or TIFF orientation says, with 8
bits a value: of 16 bits the upper 8, of 12 too. Palettes, grey and CMYK become RGB, transparency is
dropped. Values of 32 bits have no known range and are refused. Needs numpy and Pillow alone.
"""

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from resnest_dense.base.findings import read_kinds
from resnest_dense.errors import ResNeStValueError

__all__ = ["IMAGE_KINDS", "find_oddities", "open_image", "read_orientation", "read_rgb",
           "read_values"]

IMAGE_KINDS = read_kinds(__file__)

_logger = logging.getLogger(__name__)
_said: set[str] = set()  # kinds of oddities that the log has
_ORIENTATION = 274  # EXIF tag; 1 is upright
_TURNS = dict(zip(range(2, 9), (
    Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90)))


def read_rgb(path: str | Path) -> np.ndarray:
    """The image (H, W, 3) uint8 in RGB; what is odd about it is logged, each kind once.

    Raises:
        ResNeStValueError: as :func:`open_image`.
    """
    return np.array(open_image(path, log=True).convert("RGB"))


def open_image(file: str | Path | BinaryIO, *, name: str = "", log: bool = False) -> Image.Image:
    """The image as all parts of this package see it, upright, 8 bits a value, in a mode of Pillow's
    that converts to RGB.

    Args:
        file: a path or an open file.
        name: what errors call it; the path where it is empty.
        log: warn, once in a process, of several frames and of 16 bits.

    Raises:
        ResNeStValueError: a file that is no image or ends too early, or values of 32 bits.
    """
    name = name or str(file)
    try:
        # What Pillow opens by its path it may map into memory, and a turned TIFF then has its rows
        # cut at the wrong places (Pillow 13.0).
        with (open(file, "rb") if isinstance(file, str | Path) else nullcontext(file) as content,
              Image.open(content) as picture):
            for kind, detail in find_oddities(picture):
                if kind == "image-range":
                    raise ValueError(f"{detail[2:]}. {IMAGE_KINDS[kind].remedy}")
                if log and kind in ("image-depth", "image-frames") and kind not in _said:
                    _said.add(kind)
                    _logger.warning("%s: %s.", name, IMAGE_KINDS[kind].meaning)
            # Pillow itself turns TIFFs, and forgets the tag, while it loads them.
            bits = _depth(picture)
            picture.load()
            turn = _TURNS.get(read_orientation(picture))
            upright = picture if turn is None else picture.transpose(turn)
            return upright if bits == 8 else Image.fromarray(
                (np.asarray(upright) >> bits - 8).astype(np.uint8))
    except Exception as error:  # each of Pillow's decoders raises its own
        raise ResNeStValueError(f"{name} is no image that can be read: {error}") from error


def read_values(path: str | Path) -> np.ndarray:
    """The values in a label file as they stand there: (H, W), of a palette its numbers, or (H, W,
    C) where it has colours.

    Raises:
        ResNeStValueError: a file that is no image or ends too early.
    """
    try:
        with Image.open(path) as picture:
            return np.asarray(picture)
    except Exception as error:
        raise ResNeStValueError(f"{path} is no image that can be read: {error}") from error


def read_orientation(picture: Image.Image) -> int:
    """The EXIF or TIFF orientation, 1 (upright) to 8; 1 where none can be read."""
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken EXIF, in as many ways
        return 1
    return orientation if orientation in _TURNS else 1


def find_oddities(picture: Image.Image) -> Iterator[tuple[str, str]]:
    """What is odd about an image that is opened and not loaded: kinds of ``kinds.json`` beside this
    file, each with a detail that goes after the image's name."""
    if getattr(picture, "is_animated", False):
        yield "image-frames", f": {getattr(picture, 'n_frames', 'several')} in the {picture.format}"
    bits = _depth(picture)
    if bits == 32:
        yield "image-range", f": mode {picture.mode}"
    elif bits > 8 or _raw_mode(picture).startswith(f"{picture.mode};16"):
        yield "image-depth", f": mode {picture.mode}"
    elif picture.mode not in ("RGB", "P") or "transparency" in picture.info:
        yield "image-mode", f": mode {picture.mode}"


def _depth(picture: Image.Image) -> int:
    """Bits a value that Pillow gives, of which an image is made: 8 also where it drops the lower
    ones of 16 by itself, as in colour images."""
    if picture.mode.startswith("I;16"):
        return 12 if _raw_mode(picture) == "I;12" else 16
    if picture.mode == "I" and picture.format in ("PNG", "PPM"):
        return 16  # formats without more
    return 32 if picture.mode in ("I", "F") else 8


def _raw_mode(picture: Image.Image) -> str:
    """How the file has the values, where Pillow tells: "RGB;16B", for one."""
    tiles = getattr(picture, "tile", None)
    words = tiles[0][3] if tiles else ""
    return str(words[0] if isinstance(words, tuple) and words else words)
