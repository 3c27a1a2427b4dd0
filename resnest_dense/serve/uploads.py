"""An uploaded image, read within limits: of what is sent, and of what it unfolds to."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from resnest_dense.data.images import IMAGE_KINDS, find_oddities, open_image
from resnest_dense.errors import ResNeStError, ResNeStValueError

__all__ = ["Limits", "Refused", "decode", "find_file", "read_body"]

FIELD = "image"
# Decoders of Pillow's that are a library's; others, such as EPS, start programs.
Image.init()
_FORMATS = tuple(name for name in ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM",
                                   "TIFF", "WEBP") if name in Image.OPEN)
_PATIENCE = 32  # times the limit that is read and thrown away, of one client


@dataclass(frozen=True)
class Limits:
    """What one client may ask for."""

    megabytes: float = 32.0
    megapixels: float = 50.0
    waiting: int = 32  # requests at once
    batch: int = 4  # images that go through the model together


class Refused(ResNeStError):
    """An upload that is not run; ``status`` is HTTP's."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


async def read_body(request: Request, limits: Limits, *, keep: bool = True) -> bytes:
    """All that a client sends, also what is thrown away: one that still writes hears no answer.

    Args:
        keep: whether it is wanted; returns nothing if not.

    Raises:
        Refused: more bytes than allowed.
    """
    total, most, kept = 0, limits.megabytes * 1e6, []
    async for chunk in request.stream():
        total += len(chunk)
        if total > _PATIENCE * most:
            break
        if keep and total <= most:
            kept.append(chunk)
    if total > most:
        raise Refused(413, f"That is more than {limits.megabytes:g} MB.")
    return b"".join(kept)


async def find_file(headers: Headers, body: bytes) -> bytes:
    """The file in the form's field ``image``; its name is not looked at.

    Raises:
        Refused: no form, another field, no file or several.
    """
    if not headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refused(415, f"Send a form (multipart/form-data) with a file in its field {FIELD!r}.")

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(headers, whole(), max_files=1, max_fields=8)
    parser.spool_max_size = len(body) + 1  # nothing is written to a disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refused(400, f"That is no form with one file: {error.message}") from error
    file = form.get(FIELD)
    if not isinstance(file, UploadFile):
        there = ", ".join(sorted(map(repr, form))) or "no field"
        raise Refused(400, f"There is no file in the form's field {FIELD!r}, but {there}.")
    return await file.read()


def decode(content: bytes, limits: Limits) -> tuple[np.ndarray, list[str]]:
    """The image (H, W, 3) RGB, uint8, as :func:`open_image` sees it, and what is odd about it.

    Raises:
        Refused: no bytes, no image, too many pixels, or an image that cannot be decoded.
    """
    if not content:
        raise Refused(400, "The file is empty.")
    try:
        with Image.open(BytesIO(content), formats=_FORMATS) as picture:
            width, height = picture.size
            notes = [IMAGE_KINDS[kind].meaning for kind, _ in find_oddities(picture)
                     if kind in ("image-frames", "image-depth")]
    except Image.DecompressionBombError as error:
        raise Refused(413, f"The image has too many pixels: {error}") from error
    except Exception as error:  # each of Pillow's decoders raises its own
        raise Refused(415, f"That is no image of a known kind ({', '.join(_FORMATS)}).") from error
    if width * height > limits.megapixels * 1e6:
        raise Refused(413, f"The image has {width}x{height} pixels: at most "
                           f"{limits.megapixels:g} million are taken.")
    try:
        return np.array(open_image(BytesIO(content), name="The file").convert("RGB")), notes
    except ResNeStValueError as error:
        raise Refused(422, str(error)) from error
