"""The check of a segmentation set before training: what its label PNGs really hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from resnest_dense.findings import Finding, Report, read_kinds

__all__ = ["LabelReport", "check_labels"]

_VALUES = 2**16


@dataclass
class LabelReport(Report):
    """What :func:`check_labels` found."""

    kinds = read_kinds(__file__)

    name: str  # of the set
    pairs: int  # number of images
    checked: int = 0  # images whose label was read
    # Labelled pixels of each class, in the labels read.
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def subject(self) -> str:
        return self.name

    def rows(self, finding: Finding) -> Iterator[str]:
        yield f"  {finding.count:>6} {finding.meaning}: {'; '.join(finding.examples)}"
        yield f"         do: {finding.remedy}"

    def table(self) -> str:
        """Text for the terminal: totals, then every kind of finding."""
        head = f"{self.name}: {self.pairs} images, {self.checked} labels read"
        rows = [row for finding in self.findings.values() for row in self.rows(finding)]
        return "\n".join([head, *rows]) if rows else f"{head}, no problems found"


def check_labels(pairs: Sequence[tuple[str | Path, str | Path]], classes: Sequence[str], *,
                 name: str, reduce_zero_label: bool = False, ignore_label: int = 255,
                 limit: int | None = None, used: Sequence[str] | None = None) -> LabelReport:
    """Compare labels with their images and with the class list.

    Args:
        pairs: an image and its label each.
        classes: names, class 0 first.
        name: of the set, for messages.
        reduce_zero_label: label 0 is ignored and 1 is the first class (as in ADE20K).
        ignore_label: value of pixels without a class.
        limit: read at most so many labels, evenly spread; all files must exist all the same.
        used: those of ``classes`` that have to occur; None for all.
    """
    report = LabelReport(name, len(pairs))
    if not pairs:
        report.add("empty", name)
    present = []
    for pair in pairs:
        if missing := [str(path) for path in pair if not Path(path).is_file()]:
            report.add("missing", missing[0])
        else:
            present.append(pair)
    step = max(1, -(-len(present) // limit)) if limit else 1
    histogram = np.zeros(_VALUES, np.int64)
    for image, label in present[::step]:
        counts = _check_pair(report, Path(image), Path(label), ignore_label)
        if counts is not None:
            histogram += counts
            _check_values(report, label, counts, len(classes), reduce_zero_label)
    first = int(reduce_zero_label)
    report.pixels = histogram[first:first + len(classes)]
    if report.checked:
        unseen = [name for name, count in zip(classes, report.pixels) if not count]
        if reduce_zero_label and histogram[0] and classes[-1] in unseen and report.pixels[0]:
            report.add("from-zero", f"{classes[-1]!r} is the last class")
        for name in unseen:
            if used is None or name in used:
                report.add("unseen", name)
    return report


def _check_pair(report: LabelReport, image: Path, label: Path,
                ignore_label: int) -> np.ndarray | None:
    """How often each value but the ignored one occurs in a label; None if it has no values."""
    path = image
    try:
        with Image.open(image) as opened:
            size = opened.size
        path = label
        with Image.open(label) as opened:
            values = np.asarray(opened)
    except OSError:
        report.add("unreadable", str(path))
        return None
    report.checked += 1
    if values.ndim != 2:
        report.add("colour", f"{label} ({values.shape[2]} channels)")
        return None
    if values.shape[::-1] != size:
        report.add("size", f"{label} is {values.shape[1]}x{values.shape[0]}, its image {size[0]}x"
                           f"{size[1]}")
    counts = np.bincount(values.ravel().astype(np.int64).clip(0, _VALUES - 1), minlength=_VALUES)
    counts[ignore_label] = 0
    return counts


def _check_values(report: LabelReport, label: str | Path, counts: np.ndarray, classes: int,
                  reduce_zero_label: bool) -> None:
    beyond = np.flatnonzero(counts[classes + reduce_zero_label:]) + classes + reduce_zero_label
    if len(beyond):
        # One too many and no other is the sign of labels that count from 1.
        kind = "from-one" if not reduce_zero_label and list(beyond) == [classes] else "range"
        report.add(kind, f"{label} has {', '.join(map(str, beyond[:5]))}, and there are {classes} "
                         "classes")
    if not counts[reduce_zero_label:].any():
        report.add("void", str(label))
