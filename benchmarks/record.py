"""Recorded cases in a JSON file; measuring a case again replaces its figures. Pages of sections."""

import json
import re
from pathlib import Path

__all__ = ["load_cases", "put_section", "save_case", "write_cases"]


def load_cases(path: Path) -> list[dict]:
    """The recorded cases; none where there is no file yet."""
    return json.loads(path.read_text()) if path.exists() else []


def save_case(path: Path, case: dict, key: tuple[str, ...]) -> list[dict]:
    """Adds ``case`` to the file and returns all cases in it.

    Args:
        path: the JSON file.
        case: figures under ``rows`` (by name) and what they are of.
        key: entries of ``case`` that say what it is of; an earlier case that is the same in them
            takes on the new figures and keeps those that are not new.
    """
    case = json.loads(json.dumps(case))
    cases = load_cases(path)
    for known in cases:
        if all(known[name] == case[name] for name in key):
            # Times are compared with each other, so those of one case are all of one run.
            if any("seconds" in row for row in case["rows"].values()):
                for row in known["rows"].values():
                    row.pop("seconds", None)
            for name, row in case.pop("rows").items():
                known["rows"].setdefault(name, {}).update(row)
            known.update(case)
            break
    else:
        cases.append(case)
    write_cases(path, cases)
    return cases


def write_cases(path: Path, cases: list[dict]) -> None:
    """Writes the file anew, and makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(cases, indent=1) + "\n")


def put_section(path: Path, title: str, text: str) -> None:
    """Writes a section of a page, "" for what stands before the first, in place of the one that is
    there; the others stay."""
    page = path.read_text() if path.exists() else ""
    head = rf"## {re.escape(title)}\n" if title else ""
    old = re.match if not title else re.search
    place = old(rf"(?ms)^{head}.*?(?=^## |\Z)", page)
    new = f"## {title}\n\n{text.strip()}\n\n" if title else f"{text.strip()}\n\n"
    start, end = place.span() if place else (len(page), len(page))
    path.write_text(f"{page[:start].rstrip()}\n\n{new}{page[end:]}".strip() + "\n")
