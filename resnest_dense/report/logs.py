"""The logs of a run: rows of numbers, and what was said."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Curve", "Message", "curve", "last_row", "read_log", "read_rows"]

Curve = Mapping[int, float]  # value by iteration
# The beginning of a record in the logs of detectron2 and of mmengine, and its level.
_RECORD = re.compile(
    r"^(?:\[\d\d/\d\d \d\d:\d\d:\d\d\] \S+ |\d{4}/\d\d/\d\d \d\d:\d\d:\d\d - \S+ - )"
    r"(DEBUG|INFO|WARNING|ERROR|CRITICAL)(?:: | - )", re.MULTILINE)
_LEVELS = {"WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}


@dataclass(frozen=True)
class Message:
    """A record of a log; its severity is "fine", "warning" or "error"."""

    text: str
    severity: str = "fine"

    @property
    def subject(self) -> str:
        """What it is about: its words up to the first colon."""
        return self.text.partition(":")[0]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file, one a line; [] without a file. A line that is cut short, as a
    kill leaves it, is passed over."""
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                rows.append(row)
    return rows


def curve(rows: Iterable[Mapping[str, Any]], key: str, step: str) -> dict[int, float]:
    """The values of a key by iteration, which ``step`` names; of an iteration that was done again,
    after a run went on from before it, the last one."""
    found = {int(row[step]): float(row[key]) for row in rows
             if isinstance(row.get(key), (int, float)) and isinstance(row.get(step), int)}
    return dict(sorted(found.items()))


def last_row(rows: Sequence[Mapping[str, Any]], step: str, has: Iterable[str]
             ) -> tuple[int | None, dict[str, float]]:
    """The iteration and the numbers of the last row with one of the keys ``has``; what is no number
    (a class without objects) is left out."""
    wanted = {*has}
    for row in reversed(rows):
        if wanted & row.keys():
            return int(row.get(step, 0)), {
                key: float(value) for key, value in row.items()
                if isinstance(value, (int, float)) and math.isfinite(value)}
    return None, {}


def read_log(path: Path) -> list[Message]:
    """The records of a log, with the lines that belong to each; [] without a file."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    starts = [*_RECORD.finditer(text)]
    ends = [*(start.start() for start in starts[1:]), len(text)]
    return [Message(text[start.end():end].strip(), _LEVELS.get(start[1], "fine"))
            for start, end in zip(starts, ends)]
