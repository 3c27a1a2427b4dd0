"""The check of a segmentation set before training: its images, and what its labels really hold."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from resnest_dense.base.findings import Finding, Report, read_kinds
from resnest_dense.base.progress import progress
from resnest_dense.data.image_files import Look, look_at
from resnest_dense.data.images import IMAGE_KINDS, read_values
from resnest_dense.errors import ResNeStValueError

__all__ = ["LabelReport", "check_labels"]

_THREADS = 8  # more than cores, as part of the time goes into waiting for the disk
_MASK = {0, 255}  # the values of a mask that is no label
_NUMBERS = 255  # that a byte has beside the one that is ignored
_MOST = 0.5  # of the pixels may be ignored before it is worth a word

_Pair = tuple[str | Path, str | Path]  # an image and its label
_Found = list[tuple[str, str]]  # kinds and examples


@dataclass
class LabelReport(Report):
    """What :func:`check_labels` found."""

    kinds = {**read_kinds(__file__), **IMAGE_KINDS}

    name: str  # of the set
    pairs: int  # number of images
    checked: int = 0  # images whose label was read
    # Labelled pixels of each class, in the labels read.
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ignored: float = 0.0  # share of the pixels in the labels read that are of no class

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


@dataclass(frozen=True)
class _Rule:
    """What the values of the labels mean."""

    classes: Sequence[str]  # names, class 0 first
    first: int  # value of class 0; the values below it are ignored
    ignore: int  # another value that is ignored

    def ignores(self, value: int) -> bool:
        return value == self.ignore or 0 <= value < self.first

    def knows(self, value: int) -> bool:
        return self.ignores(value) or 0 <= value - self.first < len(self.classes)


def check_labels(pairs: Sequence[_Pair], classes: Sequence[str], *, name: str,
                 reduce_zero_label: bool = False, ignore_label: int = 255,
                 limit: int | None = None, used: Sequence[str] | None = None) -> LabelReport:
    """Looks at the images and labels, and compares what the labels hold with the class list.

    Args:
        pairs: an image and its label each.
        classes: names, class 0 first.
        name: of the set, for messages.
        reduce_zero_label: label 0 is ignored and 1 is the first class (as in ADE20K).
        ignore_label: value of pixels without a class.
        limit: read at most so many labels, evenly spread; of the others the heads alone.
        used: those of ``classes`` that have to occur; None for all.
    """
    report, rule = LabelReport(name, len(pairs)), _Rule(classes, reduce_zero_label, ignore_label)
    if not pairs:
        report.add("empty", name)
    _check_names(report, rule)
    total: Counter[int] = Counter()
    with ThreadPoolExecutor(_THREADS) as pool:
        readable = []
        looks = progress(pool.map(_look_at_pair, pairs), "images", total=len(pairs))
        for (_, label), found in zip(pairs, looks):
            _add(report, found)
            if not any(report.kinds[kind].severity == "error" for kind, _ in found):
                readable.append(label)
        chosen = readable[::max(1, -(-len(readable) // limit)) if limit else 1]
        values = progress(pool.map(_count_values, chosen), "labels", total=len(chosen))
        for label, (found, counts) in zip(chosen, values):
            _add(report, found)
            report.checked += 1
            if counts:
                total += counts
                _check_values(report, label, counts, rule)
    _check_total(report, total, rule, used)
    return report


def _add(report: LabelReport, found: _Found) -> None:
    for kind, example in found:
        report.add(kind, example)


def _look_at_pair(pair: _Pair) -> _Found:
    """The faults of the files, without the values of the label."""
    found: _Found = []
    looks: list[Look] = []
    for path in pair:
        try:
            looks.append(look_at(path))
        except FileNotFoundError:
            found.append(("missing", str(path)))
        except ResNeStValueError as error:
            found.append(("unreadable", f"{path}: {error}"))
    if found:
        return found
    (path, label), (image, labelled) = pair, looks
    found += [(kind, f"{path}{detail}") for kind, detail in image.faults]
    found += [(kind, str(label)) for kind, _ in labelled.faults if kind == "image-truncated"]
    if image.orientation != 1:
        found.append(("image-orientation", f"{path}: orientation {image.orientation}"))
    if labelled.orientation != 1:
        found.append(("label-turned", f"{label}: orientation {labelled.orientation}"))
    elif labelled.size != image.size:
        turned = " when turned upright" * (image.size != image.stored)
        found.append(("size", f"{label} is {labelled.size[0]}x{labelled.size[1]}, its image "
                              f"{image.size[0]}x{image.size[1]}{turned}"))
    return found


def _count_values(label: str | Path) -> tuple[_Found, Counter[int]]:
    """How often each value occurs in a label."""
    try:
        values = read_values(label)
    except ResNeStValueError as error:
        return [("unreadable", str(error))], Counter()
    if values.ndim != 2:
        return [("colour", f"{label} ({values.shape[2]} channels)")], Counter()
    if values.dtype.kind == "f":
        return [("fractions", f"{label} ({values.dtype})")], Counter()
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel())
        return [], Counter({int(value): int(counts[value]) for value in counts.nonzero()[0]})
    seen, times = np.unique(values.astype(np.int64), return_counts=True)
    return [], Counter(dict(zip(seen.tolist(), times.tolist())))


def _check_names(report: LabelReport, rule: _Rule) -> None:
    """Recognises labelme's ``labels.txt``: ``__ignore__``, which is no class, then
    ``_background_``, which is class 0."""
    if rule.first + len(rule.classes) > _NUMBERS:
        report.add("many-classes", f"{len(rule.classes)} classes")
    classes = [name for name in rule.classes if name != "__ignore__"]
    if len(classes) < len(rule.classes):
        report.add("names-moved", f"'__ignore__' in line {rule.classes.index('__ignore__') + 1}")
    if "_background_" in classes:
        place = classes.index("_background_")
        report.add("names-moved" if rule.first or place else "labelme-background",
                   f"'_background_' in line {rule.classes.index('_background_') + 1}")


def _check_values(report: LabelReport, label: str | Path, counts: Counter[int],
                  rule: _Rule) -> None:
    classes = len(rule.classes)
    beyond = sorted(value for value in counts if not rule.knows(value))
    if beyond:
        # One too many and no other is the sign of labels that count from 1.
        kind = "from-one" if not rule.first and beyond == [classes] else "range"
        report.add(kind, f"{label} has {', '.join(map(str, beyond[:5]))}, and there are {classes} "
                         "classes")
    if all(map(rule.ignores, counts)):
        report.add("void", str(label))


def _check_total(report: LabelReport, total: Counter[int], rule: _Rule,
                 used: Sequence[str] | None) -> None:
    """Checks the values of all labels that were read together."""
    if not total:
        return
    report.pixels = np.array([total[rule.first + i] for i in range(len(rule.classes))])
    report.ignored = sum(total[value] for value in total if rule.ignores(value)) / total.total()
    if {*total} == _MASK and rule.ignore in _MASK:
        report.add("mask", f"all {report.checked} labels")
    elif report.ignored > _MOST:
        report.add("ignored", f"{100 * report.ignored:.1f} % in {report.checked} labels")
    last = rule.classes[-1]
    unseen = [name for name, count in zip(rule.classes, report.pixels) if not count]
    if rule.first and total[0] and last in unseen and report.pixels[0]:
        report.add("from-zero", f"{last!r} is the last class")
    for name in unseen:
        if used is None or name in used:
            report.add("unseen", name)
