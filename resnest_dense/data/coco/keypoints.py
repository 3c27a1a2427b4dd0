"""The keypoints of a COCO-format set."""

import numpy as np

from resnest_dense.data.coco.boxes import SLACK
from resnest_dense.data.coco.entries import Entries, are_numbers, name_image
from resnest_dense.data.coco.report import CocoReport

__all__ = ["check_keypoints"]


def check_keypoints(report: CocoReport, entries: Entries, categories: list[dict],
                    keypoints: int | None) -> np.ndarray:
    """Checks the form of all keypoints, and where a model needs them, their number and place.

    Args:
        keypoints: number that the model predicts; None where it predicts none.

    Returns:
        (A,) bool: true where detectron2 drops the annotation with its whole image.
    """
    # detectron2 adds half a pixel to each coordinate of every set, keypoint model or not.
    usable = [are_numbers(entry.get("keypoints") or []) for entry in entries.annotations]
    for index, fine in enumerate(usable):
        if not fine:
            shown = str(entries.annotations[index]["keypoints"])[:60]
            report.add("keypoints-form", f"{entries.where(index)}: {shown}")
    if keypoints is None:
        return np.zeros(len(usable), dtype=bool)
    for category in categories:
        names = category.get("keypoints")
        if isinstance(names, list) and len(names) != keypoints:
            report.add("keypoints-category", f"category {category['name']!r} has {len(names)}, the "
                                             f"model {keypoints}")
    marked = np.zeros(len(entries.images), dtype=np.int64)
    for index in np.flatnonzero(usable).tolist():
        marked[entries.image[index]] += _check_points(report, entries, index, keypoints)
    annotated = np.bincount(entries.image, minlength=len(marked)) > 0
    report.add_where("keypoints-none", annotated & (marked == 0),
                     lambda position: name_image(entries.images[position]))
    return (marked == 0)[entries.image]


def _check_points(report: CocoReport, entries: Entries, index: int, keypoints: int) -> int:
    """Checks one annotation; returns how many of its keypoints are marked."""
    entry, where = entries.annotations[index], entries.where(index)
    values = entry.get("keypoints") or []
    if "num_keypoints" not in entry:
        report.add("keypoints-count", where)
    if not values:
        report.add("keypoints-missing", where)
        return 0
    if len(values) != 3 * keypoints:
        report.add("keypoints-length", f"{where}: {len(values)} values for {keypoints} keypoints")
        return 0
    points = np.array(values, dtype=float).reshape(-1, 3)
    seen = points[:, 2] > 0
    if not np.isin(points[:, 2], (0, 1, 2)).all():
        report.add("keypoints-visibility", f"{where}: {points[:, 2].tolist()}")
    place = points[:, :2]
    beyond = seen & ((place < -SLACK) | (place > entries.size[index] + SLACK)).any(axis=1)
    report.add_where("keypoints-outside", beyond,
                     lambda point: f"{where}: {points[point].tolist()}")
    return int(seen.sum())
