"""The page: sections of words, tables and pictures in one HTML file that asks nothing of any other.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

__all__ = ["Block", "Cell", "Legend", "Missing", "Page", "Picture", "Row", "Section", "Table",
           "Verbatim", "Words", "address", "render"]

Cell = str | int | float | None


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    kind: ClassVar = "words"
    text: str


@dataclass(frozen=True)
class Missing:
    """A figure that is not there, and why."""

    kind: ClassVar = "missing"
    what: str
    why: str


@dataclass(frozen=True)
class Table:
    """Rows of words and numbers; None and NaN are not measured."""

    kind: ClassVar = "table"
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    digits: int = 1  # of numbers with a fraction

    def text(self, cell: Cell) -> str:
        """What stands in a cell."""
        if cell is None or isinstance(cell, float) and math.isnan(cell):
            return "–"
        return f"{cell:.{self.digits}f}" if isinstance(cell, float) else (
            f"{cell:,}" if isinstance(cell, int) else cell)

    def numbers(self, column: int) -> bool:
        """Whether a column has numbers."""
        return not any(isinstance(row[column], str) for row in self.rows)


@dataclass(frozen=True)
class Picture:
    """A picture by the address that holds it; ``alt`` says what it shows."""

    kind: ClassVar = "picture"
    source: str
    alt: str


@dataclass(frozen=True)
class Legend:
    """What colours (R, G, B) mean."""

    kind: ClassVar = "legend"
    colours: Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Row:
    """Pictures of one thing side by side, by what they show."""

    kind: ClassVar = "row"
    title: str
    words: str
    pictures: Mapping[str, str]


@dataclass(frozen=True)
class Verbatim:
    """Text as it is, behind a summary that opens it where there is one; its tone is that of
    :class:`resnest_dense.report.logs.Message`."""

    kind: ClassVar = "verbatim"
    text: str
    summary: str = ""
    tone: str = "fine"


Block = Words | Missing | Table | Picture | Legend | Row | Verbatim


@dataclass(frozen=True)
class Section:
    """What stands under one heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A report.

    Args:
        title: of the page.
        state: of the run, in words.
        tiles: the main figures by name, as text.
        sections: below them.
    """

    title: str
    state: str
    tiles: Mapping[str, str]
    sections: Sequence[Section]

    def shown(self) -> list[Section]:
        """The sections that have something."""
        return [section for section in self.sections
                if any(not isinstance(block, Missing) for block in section.blocks)]

    def missing(self) -> dict[str, list[str]]:
        """What is not there, by why."""
        found: dict[str, list[str]] = {}
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Missing) and block.what not in found.get(block.why, ()):
                    found.setdefault(block.why, []).append(block.what)
        return found


def address(kind: str, content: bytes) -> str:
    """An address that holds a picture itself: its media type, as "image/jpeg", and its file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def render(page: Page) -> str:
    """The HTML of a page; names and texts are escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(loader=PackageLoader("resnest_dense.report", ""), autoescape=True,
                        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return pages.get_template("page.html").render(page=page)
