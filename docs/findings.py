"""What the checks of data find, as tables, which the site puts where ``MARK`` is in a page."""

from collections.abc import Iterator
from pathlib import Path

from resnest_dense import data
from resnest_dense.base.findings import read_kinds

__all__ = ["MARK", "render"]

MARK = "<!-- findings -->"
_TITLES = {".": "Images", "coco": "COCO files", "panoptic": "Panoptic files",
           "labels": "Label PNGs", "convert": "Annotations of other tools"}


def render() -> str:
    """A table for each set of checks."""
    return "\n\n".join(_tables())


def _tables() -> Iterator[str]:
    for room, title in _TITLES.items():
        kinds = read_kinds(str(Path(data.__file__).parent / room / "__init__.py"))
        rows = [f"| `{name}` | {kind.severity} | {_cell(kind.meaning)} | {_cell(kind.remedy)} |"
                for name, kind in kinds.items()]
        yield "\n".join([f"### {title}", "", "| finding | | meaning | what to do |",
                         "|---|---|---|---|", *rows])


def _cell(words: str) -> str:
    for special in "\\|*_[<":
        words = words.replace(special, f"\\{special}")
    return words
