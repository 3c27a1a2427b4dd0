"""What the checks of data find, as tables, which the site puts where ``MARK`` is in a page."""

from collections.abc import Iterator
from pathlib import Path

from resnest_dense import data
from resnest_dense.base.findings import read_kinds

__all__ = ["MARK", "render"]

MARK = "<!-- findings -->"
_TITLES = {"": "Images", "coco": "COCO files", "panoptic": "Panoptic files",
           "labels": "Label PNGs", "convert": "Annotations of other tools"}


def render() -> str:
    """A table for each set of checks."""
    return "\n\n".join(_tables())


def _tables() -> Iterator[str]:
    rooms = Path(data.__file__).parent
    for path in sorted(rooms.rglob("kinds.json"), key=lambda path: len(path.parts)):
        title = _TITLES["/".join(path.relative_to(rooms).parts[:-1])]
        rows = [f"| `{name}` | {kind.severity} | {_cell(kind.meaning)} | {_cell(kind.remedy)} |"
                for name, kind in read_kinds(str(path)).items()]
        yield "\n".join([f"### {title}", "", "| finding | | meaning | what to do |",
                         "|---|---|---|---|", *rows])


def _cell(words: str) -> str:
    for special in "\\|*_[<":
        words = words.replace(special, f"\\{special}")
    return words
