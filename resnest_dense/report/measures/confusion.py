"""Which class is taken for which, of a detector, with a row and a column of background."""

from collections.abc import Iterable, Sequence

import numpy as np

from resnest_dense.report.measures.instances import IOU, ImageMatches

__all__ = ["best_threshold", "confusion", "met_by_others"]


def best_threshold(images: Sequence[ImageMatches]) -> float:
    """The score from which on detections have the best F1, of all classes together; 0 where none
    is right."""
    kept = [~image.ignored for image in images]
    scores = np.concatenate([image.scores[some] for image, some in zip(images, kept)])
    right = np.concatenate([image.match[some] >= 0 for image, some in zip(images, kept)])
    if not right.any():
        return 0.0
    wanted = sum(len(image.truth) for image in images)
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(right[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + wanted)
    last = np.append(scores[1:] != scores[:-1], True)  # of those of one score all are in, or none
    return float(scores[np.where(last, f1, -1).argmax()])


def met_by_others(image: ImageMatches, threshold: float) -> np.ndarray:
    """The object (D,) of another class that each detection without one of its own has met: by
    falling score each takes the one that it overlaps most, -1 where none is left."""
    taken = np.full(len(image.found), -1)
    free = ~np.isin(np.arange(len(image.truth)), image.match[image.scores >= threshold])
    for i in np.flatnonzero((image.match < 0) & ~image.ignored & (image.scores >= threshold)):
        overlap = image.iou[i] * free
        if overlap.size and overlap.max() >= IOU:
            taken[i] = overlap.argmax()
            free[taken[i]] = False
    return taken


def confusion(images: Iterable[ImageMatches], classes: int, threshold: float) -> np.ndarray:
    """Counts (classes + 1, classes + 1) of objects (rows) by what they are taken for (columns), of
    detections of at least ``threshold``. The last column has the objects that are taken for
    background, the last row the detections where no object is. What is right is so by COCO's
    rules; only what is left over meets objects of other classes.
    """
    counts = np.zeros((classes + 1, classes + 1), int)
    for image in images:
        sure = (image.scores >= threshold) & ~image.ignored
        met = np.where(image.match >= 0, image.match, met_by_others(image, threshold))
        truth = np.append(image.truth_classes, classes)[met]  # -1 is the last: background
        np.add.at(counts, (truth[sure], image.classes[sure]), 1)
        lost = ~np.isin(np.arange(len(image.truth)), met[sure])
        counts[:, classes] += np.bincount(image.truth_classes[lost], minlength=classes + 1)
    return counts
