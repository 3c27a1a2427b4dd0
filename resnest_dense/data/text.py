"""Text files as people save them: UTF-8 with or without a mark at its beginning, and UTF-16; and
the JSON in them."""

import codecs
import json
import os
from pathlib import Path
from typing import Any

from resnest_dense.errors import ResNeStValueError

__all__ = ["make_plain", "read_json", "read_text"]

# UTF-32's begins as UTF-16's does.
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"),
          (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
          (codecs.BOM_UTF16_BE, "utf-16"))


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, or in an encoding that a mark (BOM) at its beginning names.

    Raises:
        ResNeStValueError: a file that cannot be read, or is in another encoding.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ResNeStValueError(f"{path} cannot be read ({error.strerror}). Check the path and the "
                                "access rights.") from error
    try:
        text = content.decode(_encoding(content))
        place = text.find("\0") if "\0" in text[:1000] else None
    except UnicodeDecodeError as error:
        place = error.start
    if place is None:
        return text
    raise ResNeStValueError(
        f"{path} is no UTF-8 text (byte {place}). Unpack it if it is compressed; otherwise save it "
        "as UTF-8 (in an editor; or `iconv -f GBK -t UTF-8`, with the encoding that it is in).")


def read_json(path: str | Path) -> Any:
    """What a JSON file holds.

    Raises:
        ResNeStValueError: as :func:`read_text`, or no JSON: where, with line and column.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        cut = not text[-100:].rstrip().endswith("}")
        remedy = "It ends too early: copy or download it again." if cut else "Correct it there."
        raise ResNeStValueError(f"{path} is no valid JSON: {error.msg} at line {error.lineno}, "
                                f"column {error.colno} (character {error.pos} of {len(text)}). "
                                f"{remedy}") from error
    except (ValueError, RecursionError) as error:  # thousands of digits, or lists in lists
        raise ResNeStValueError(f"{path} is no JSON that can be read: {error}. Write it "
                                "anew.") from error


def make_plain(path: str, folder: str | Path) -> str:
    """The path of a text that every program reads as UTF-8: ``path`` itself where it begins without
    a mark, or else a copy in ``folder``; "" for "".

    Raises:
        ResNeStValueError: as :func:`read_text`.
    """
    if not path or not Path(path).is_file():
        return path  # what is not there is said by who reads it
    with open(path, "rb") as file:
        if _encoding(file.read(4)) == "utf-8":
            return path
    copy = Path(folder, Path(path).name)
    part = copy.with_name(f"{copy.name}.{os.getpid()}")
    copy.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(read_text(path), encoding="utf-8")
    os.replace(part, copy)
    return str(copy)


def _encoding(head: bytes) -> str:
    return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
