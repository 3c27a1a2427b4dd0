"""What every reader gives and the writer takes: images with their objects, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnest_dense.base.findings import Report, read_kinds

__all__ = ["SPLITS", "Collection", "ConversionReport", "Picture", "Thing"]

SPLITS = ("train", "val", "test")


@dataclass
class Thing:
    """An object in an image, in pixels of the image; x to the right, y down, from its corner."""

    name: str  # of its class
    box: Sequence[float]  # x, y, width, height
    polygons: list[list[float]] = field(default_factory=list)  # x1, y1, x2, y2, ... of each part
    mask: dict[str, Any] | None = None  # RLE of COCO, in place of polygons
    crowd: int = 0
    extra: dict[str, Any] = field(default_factory=dict)  # other entries, written as they are


@dataclass
class Picture:
    """An image and what is marked in it."""

    path: Path
    size: tuple[int, int]  # width and height, as the annotations have them
    things: list[Thing] = field(default_factory=list)
    split: str = ""  # one of SPLITS, where the source says it
    name: str = ""  # below the folder of its split, where it is written


@dataclass
class Collection:
    """All that was read from a folder."""

    pictures: list[Picture] = field(default_factory=list)
    # By name, in the order of the categories, with what else their entry has.
    classes: dict[str, dict[str, Any]] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)  # splits that the source names, where

    def name_classes(self) -> None:
        """Adds the classes of objects that are in no list, by name."""
        for name in sorted({thing.name for picture in self.pictures for thing in picture.things}):
            self.classes.setdefault(name, {})


@dataclass
class ConversionReport(Report):
    """What was found while a folder was converted."""

    kinds = read_kinds(__file__)

    root: Path
    form: str = ""

    def subject(self) -> str:
        return f"{self.root} as {self.form}" if self.form else str(self.root)

    def table(self) -> str:
        """A text table for the terminal, the findings by severity."""
        rows = list(self.rows_by_severity({
            "error": "nothing is written", "dropped": "left out of what is written",
            "note": "read, but look at it"}))
        return "\n".join(rows[1:])
