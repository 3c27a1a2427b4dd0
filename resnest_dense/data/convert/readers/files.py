"""XML and JSON annotation files, and the numbers in them."""

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from resnest_dense.data import text
from resnest_dense.data.convert.folder import Folder
from resnest_dense.errors import ResNeStValueError

__all__ = ["children_numbers", "number", "read_json", "read_xml", "whole"]


def read_json(path: Path, folder: Folder) -> Any:
    """The content of a file; None, and a finding, where it cannot be read."""
    try:
        return text.read_json(path)
    except ResNeStValueError as error:
        folder.report.add("file-broken", f"{folder.shown(path)}: {error}")
        return None


def read_xml(path: Path, folder: Folder) -> ElementTree.Element | None:
    """The root of a file; None, and a finding, where it is no XML."""
    try:
        return ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        folder.report.add("file-broken", f"{folder.shown(path)}: {error}")
        return None


def number(text: str | None) -> float:
    """The number that a text is; NaN for none."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def whole(text: str | None) -> int:
    """The whole number that a text is; 0 for none."""
    value = number(text)
    return int(value) if math.isfinite(value) else 0


def children_numbers(element: ElementTree.Element) -> list[float]:
    """The numbers of the elements x1, y1, x2, y2, ... below one, up to the first that is none."""
    values: list[float] = []
    while True:
        pair = [number(element.findtext(f"{axis}{len(values) // 2 + 1}")) for axis in "xy"]
        if not all(map(math.isfinite, pair)):
            return values
        values += pair
