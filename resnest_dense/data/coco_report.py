"""What a check of a COCO-format set found: counts, findings, a table, an error."""

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from resnest_dense.data.coco_kinds import KINDS
from resnest_dense.data.panoptic_kinds import PANOPTIC_KINDS
from resnest_dense.errors import ResNeStValueError

__all__ = ["Finding", "Report"]

_WIDTH = 100  # columns of the table
_ALL_KINDS = {**KINDS, **PANOPTIC_KINDS}
_SEVERITIES = {
    "error": "training or evaluation would stop or go wrong",
    "dropped": "left out of training by detectron2",
    "note": "works, but look at it",
}


@dataclass
class Finding:
    """One kind of problem in a set.

    Args:
        severity: "error", "dropped" or "note".
        kind: its name in :data:`resnest_dense.data.coco_kinds.KINDS` or in ``PANOPTIC_KINDS``.
        count: number of entries that have it.
        example: the first such entry, with its id and image file.
        meaning: the problem in words.
        remedy: what to do.
    """

    severity: str
    kind: str
    count: int
    example: str
    meaning: str
    remedy: str


@dataclass
class Report:
    """Everything that ``check_coco`` or ``check_panoptic`` found in one set.

    Args:
        json_path: the annotation file.
        image_root: the folder of its images.
        evaluated: the set is evaluated on, so what stops the COCO evaluation is an error.
        images: number of image entries.
        unit: what is counted: "annotations", or "segments" of a panoptic set.
        annotations: number of them.
        trained: number left when detectron2 has dropped its share; not counted for segments.
        classes: number of categories.
        per_class: annotations of each class name, in the order of the category ids.
        findings: by kind, in the order in which they were found.
    """

    json_path: Path
    image_root: Path
    evaluated: bool = True
    unit: str = "annotations"
    images: int = 0
    annotations: int = 0
    trained: int = 0
    classes: int = 0
    per_class: dict[str, int] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Counts ``count`` more entries of a kind; the first example stays."""
        if kind in self.findings:
            self.findings[kind].count += count
            return
        severity, meaning, remedy = _ALL_KINDS[kind]
        if severity == "evaluation":
            severity = "error" if self.evaluated else "note"
        self.findings[kind] = Finding(severity, kind, count, example, meaning, remedy)

    def add_where(self, kind: str, wrong: np.ndarray, describe) -> None:
        """Adds the entries where ``wrong`` is true; ``describe(index)`` names the first one."""
        if wrong.any():
            self.add(kind, describe(int(wrong.argmax())), int(wrong.sum()))

    @property
    def errors(self) -> list[Finding]:
        """The findings that speak against training."""
        return self._of("error")

    def table(self) -> str:
        """A text table for the terminal: totals, classes, then findings by severity."""
        counts = ", ".join(f"{name} {count}" for name, count in self.per_class.items())
        trained = f" ({self.trained} to train on)" if self.unit == "annotations" else ""
        lines = [
            f"{self.json_path}: {self.images} images, {self.annotations} {self.unit}{trained}, "
            f"{self.classes} classes",
            *textwrap.wrap(f"{self.unit} per class: {counts}", _WIDTH, subsequent_indent="  "),
        ]
        for severity, meaning in _SEVERITIES.items():
            findings = self._of(severity)
            if findings:
                lines += ["", f"{severity}: {meaning}"]
            for finding in findings:
                lines += _rows(finding)
        return "\n".join(lines if self.findings else [*lines, "no problems found"])

    def raise_if_wrong(self) -> None:
        """Stops before training would go wrong.

        Raises:
            ResNeStValueError: there are errors; the message lists every kind with its first entry
                and its remedy.
        """
        if self.errors:
            rows = (row for finding in self.errors for row in _rows(finding))
            raise ResNeStValueError(
                f"{self.json_path} with the images in {self.image_root} cannot be used:\n"
                + "\n".join(rows)
            )

    def _of(self, severity):
        return [finding for finding in self.findings.values() if finding.severity == severity]


def _rows(finding):
    yield f"  {finding.count:>7}   {finding.meaning} [{finding.kind}]"
    yield f"            first: {finding.example}"
    yield f"            do: {finding.remedy}"
