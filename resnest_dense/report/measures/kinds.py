"""Errors of a detector by kind, and the AP that each costs (TIDE, arXiv 2008.08115).

A detection that has met no object is of the first of these kinds that fits, by its overlap (IoU)
with the objects: *localisation*, 0.1 to 0.5 with one of its class; *classification*, 0.5 with one
of another class; *duplicate*, 0.5 with one that another detection has met; *background*, 0.1 at
most with any; *both*, all others. An object that no detection meets, and none would if it were put
right, is *missed*. What a kind costs is the AP50 that is won when all its errors are repaired: a
wrong place or class put right, unless a surer detection is for the same object; what is left,
removed; what is missed, not asked for. Kinds overlap in what they cost: the sum is not the gap to
100.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from resnest_dense.report.measures.instances import IOU, ImageMatches

__all__ = ["KINDS", "Cost", "average_precision", "cost_of_kinds", "kinds_of"]

KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
_BACKGROUND = 0.1
_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Cost:
    """How often an error occurs, and the AP50 in percent that repairing all of them wins."""

    count: int
    ap: float


def kinds_of(image: ImageMatches) -> tuple[list[str], np.ndarray]:
    """The kind of each detection ("" for one that is right or ignored), and the object that it
    would be right for (-1 for none)."""
    kinds, targets = [], np.full(len(image.found), -1)
    met = np.zeros(len(image.truth), bool)
    met[image.match[image.match >= 0]] = True
    for i, own in enumerate(image.classes):
        kind = ""
        if image.match[i] < 0 and not image.ignored[i]:
            kind, target = _kind(image.iou[i], image.truth_classes == own, met)
            # What is met needs no other detection: this one is left out.
            targets[i] = target if target >= 0 and not met[target] else -1
        kinds.append(kind)
    return kinds, targets


def _kind(iou: np.ndarray, same: np.ndarray, met: np.ndarray) -> tuple[str, int]:
    if not iou.size:
        return "background", -1
    own, other = iou * same, iou * ~same
    if _BACKGROUND <= own.max() <= IOU:
        return "localisation", int(own.argmax())
    if other.max() >= IOU:
        return "classification", int(other.argmax())
    if (own * met).max() >= IOU:
        return "duplicate", -1
    return ("background" if iou.max() <= _BACKGROUND else "both"), -1


@dataclass(frozen=True)
class _Pool:
    """All detections of a set: score, class, rightness and kind of each."""

    scores: np.ndarray
    classes: np.ndarray
    right: np.ndarray
    kinds: np.ndarray
    repaired: np.ndarray  # class that a repaired one counts for, -1 where it is left out
    wanted: np.ndarray  # objects of each class
    measured: np.ndarray  # numbers of the classes that have objects

    def ap(self) -> float:
        """The mean AP50 over the measured classes, in percent; one of which nothing is asked and
        nothing found any more is left out."""
        values = [average_precision(self.scores[self.classes == i], self.right[self.classes == i],
                                    int(self.wanted[i]))
                  for i in self.measured if self.wanted[i] or (self.classes == i).any()]
        return float(np.mean(values)) if values else float("nan")

    def only(self, kept: np.ndarray) -> "_Pool":
        return replace(self, scores=self.scores[kept], classes=self.classes[kept],
                       right=self.right[kept], kinds=self.kinds[kept],
                       repaired=self.repaired[kept])

    def repair(self, kind: str) -> "_Pool":
        wrong = self.kinds == kind
        fixed = replace(self, right=self.right | wrong,
                        classes=np.where(wrong, self.repaired, self.classes))
        return fixed.only(~wrong | (self.repaired >= 0))


def average_precision(scores: np.ndarray, right: np.ndarray, wanted: int) -> float:
    """COCO's AP at one IoU, in percent.

    Args:
        scores: (D,) of the detections of a class, in the order of the images.
        right: (D,), whether each has met an object.
        wanted: objects of that class.
    """
    if not wanted or not len(scores):
        return 0.0
    hits = right[np.argsort(-scores, kind="stable")].astype(float)
    true = np.cumsum(hits)
    precision = true / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(true / wanted, _RECALLS, side="left")
    return 100 * float(np.append(best, 0.0)[np.minimum(place, len(best))].mean())


def cost_of_kinds(images: Sequence[ImageMatches], classes: int) -> dict[str, Cost]:
    """The cost of each of :data:`KINDS`, of all "false positives" and of all objects "not met".

    Args:
        images: of the set.
        classes: how many there are; those without objects are left out, as by COCO.
    """
    pool, missed, unmet = _pool(images, classes)
    now = pool.ap()

    def cost(errors: np.ndarray, repaired: _Pool) -> Cost:
        return Cost(int(errors.sum()), max(repaired.ap() - now, 0.0))

    return {
        **{kind: cost(pool.kinds == kind, pool.repair(kind)) for kind in KINDS[:-1]},
        "missed": cost(missed, replace(pool, wanted=pool.wanted - missed)),
        # All that is right before all that is wrong.
        "false positives": cost(~pool.right, replace(pool, scores=pool.right.astype(float))),
        "not met": cost(unmet, replace(pool, wanted=pool.wanted - unmet))}


def _pool(images: Sequence[ImageMatches], classes: int) -> tuple[_Pool, np.ndarray, np.ndarray]:
    """All detections; the objects that are missed and those that are not met, by class."""
    wanted, missed, unmet = (np.zeros(classes, int) for _ in range(3))
    parts: list[tuple[np.ndarray, ...]] = []
    for image in images:
        kinds, targets = kinds_of(image)
        reached, repaired = np.zeros(len(image.truth), bool), np.full(len(kinds), -1)
        for i, target in enumerate(targets):  # by falling score: the surest one has the object
            if target >= 0 and not reached[target]:
                reached[target], repaired[i] = True, image.truth_classes[target]
        met = np.isin(np.arange(len(image.truth)), image.match)
        for total, some in ((wanted, np.ones_like(met)), (missed, ~met & ~reached), (unmet, ~met)):
            total += np.bincount(image.truth_classes[some], minlength=classes)
        parts.append((image.scores, image.classes, image.match >= 0, np.array(kinds, object),
                      repaired, ~image.ignored))
    scores, own, right, kind, repaired, counts = map(np.concatenate, zip(*parts))
    pool = _Pool(scores, own, right, kind, repaired, wanted, np.flatnonzero(wanted))
    return pool.only(counts), missed, unmet
