"""What a check found: each kind of problem with its severity, its meaning and the remedy."""

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from resnest_dense.errors import ResNeStValueError, listed

__all__ = ["Finding", "Kind", "Report", "read_kinds"]

_EXAMPLES = 3  # that are kept of a kind
_LONGEST = 300  # characters of one
_ROOM = 1400  # characters of what an error tells of its findings


class Kind(NamedTuple):
    """A row of a check's table of all that it can find."""

    # "error" (training would go wrong), "evaluation" (only the evaluation would), "dropped" (left
    # out of training) or "note" (works, but look at it).
    severity: str
    meaning: str  # the problem in words
    remedy: str  # what to do about it


def read_kinds(module: str) -> dict[str, Kind]:
    """The table ``kinds.json`` beside the file of a module: each kind's name with its row."""
    text = Path(module).with_name("kinds.json").read_text(encoding="utf-8")
    return {name: Kind(**row) for name, row in json.loads(text).items()}


@dataclass
class Finding:
    """One kind of problem in what was checked, or that there is none."""

    kind: str  # its name in the table of the check; for a check without one, what was looked at
    severity: str  # "error", "warning", "dropped", "note" or "fine"
    meaning: str  # what was seen, in words
    remedy: str = ""  # what to do; empty where ``meaning`` says it
    count: int = 0  # of the entries that have it
    examples: list[str] = field(default_factory=list)  # the first few of them, in words

    def __str__(self) -> str:
        mark = "" if self.severity == "fine" else f"{self.severity}: "
        return f"{self.kind}: {mark}{self.meaning}"


@dataclass(kw_only=True)
class Report:
    """The findings of one check; each check has a subclass with its table and its words."""

    kinds: ClassVar[Mapping[str, Kind]]
    evaluated: bool = True  # so that what only an evaluation needs is an error
    findings: dict[str, Finding] = field(default_factory=dict)  # by kind, in the order of finding

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Counts ``count`` more entries of a kind, of which ``example`` is the first."""
        if kind not in self.findings:
            severity, meaning, remedy = self.kinds[kind]
            if severity == "evaluation":
                severity = "error" if self.evaluated else "note"
            self.findings[kind] = Finding(kind, severity, meaning, remedy)
        finding = self.findings[kind]
        finding.count += count
        if len(finding.examples) < _EXAMPLES:
            finding.examples.append(listed([example], longest=_LONGEST))

    def add_where(self, kind: str, wrong: np.ndarray | np.bool_,
                  describe: Callable[[int], str]) -> None:
        """Adds the entries where ``wrong`` is true; ``describe(index)`` names the first one."""
        if wrong.any():
            self.add(kind, describe(int(wrong.argmax())), int(wrong.sum()))

    def add_repeats(self, kind: str, values: Iterable[Hashable], what: str = "") -> None:
        """Adds the values that are there more than once; ``what`` goes before each."""
        for value, count in Counter(values).items():
            if count > 1:
                self.add(kind, f"{what}{value!r}, {count} times", count - 1)

    def of(self, severity: str) -> list[Finding]:
        """The findings of a severity."""
        return [finding for finding in self.findings.values() if finding.severity == severity]

    @property
    def errors(self) -> list[Finding]:
        """The findings that speak against training."""
        return self.of("error")

    def excuse(self, kinds: Iterable[str], most: int) -> None:
        """Makes notes of the errors of these kinds, if ``most`` entries at most have them."""
        found = [self.findings[kind] for kind in kinds if kind in self.findings]
        if sum(finding.count for finding in found) <= most:
            for finding in found:
                finding.severity = "note"

    def subject(self) -> str:
        """What was checked: an error begins with it."""
        raise NotImplementedError

    def rows(self, finding: Finding) -> Iterator[str]:
        """The lines of text on one finding."""
        yield f"  {finding.count:>7}   {finding.meaning} [{finding.kind}]"
        yield f"            first: {finding.examples[0]}"
        yield f"            do: {finding.remedy}"

    def rows_by_severity(self, meanings: Mapping[str, str]) -> Iterator[str]:
        """The lines on all findings of the severities that ``meanings`` explains, in that order."""
        for severity, meaning in meanings.items():
            findings = self.of(severity)
            yield from ["", f"{severity}: {meaning}"] if findings else []
            yield from (row for finding in findings for row in self.rows(finding))

    def raise_if_wrong(self) -> None:
        """Stops before training would go wrong.

        Raises:
            ResNeStValueError: there are errors; the message lists the kinds, as many as have room,
                with their first entries and remedies.
        """
        if self.errors:
            found = listed(("\n".join(self.rows(finding)) for finding in self.errors),
                           room=_ROOM, longest=_ROOM, between="\n")
            raise ResNeStValueError(f"{self.subject()} cannot be used:\n{found}")
