"""The boxes of a COCO-format set: their form, and how they lie in their images."""

from collections.abc import Callable
from typing import Any

import numpy as np

from resnest_dense.data.coco.entries import Entries, are_numbers
from resnest_dense.data.coco.report import CocoReport

__all__ = ["SLACK", "check_boxes"]

SLACK = 1.0  # pixels that coordinates may lie outside before it is worth a word
_EMPTY = 1e-5  # pixels; detectron2 drops boxes up to this width or height (filter_empty_instances)
_FEW = 10  # boxes below which corners are not taken for the reason that they leave their images
_SHARE = 0.1  # of the boxes must leave the image before their format is doubted


def check_boxes(report: CocoReport, entries: Entries) -> np.ndarray:
    """Checks the bbox of each of the A annotations.

    Returns:
        (A, 4) float: x, y, width, height in pixels; NaN where detectron2 cannot use the box or
        drops it.
    """
    boxes = np.full((len(entries.annotations), 4), np.nan)
    for index, entry in enumerate(entries.annotations):
        box = entry.get("bbox")
        fault = _fault(box)
        if fault:
            report.add(fault, f"{entries.where(index)}: bbox={box!r}")
        else:
            boxes[index] = box

    def describe(index: int) -> str:
        width, height = entries.size[index]
        return f"{entries.where(index)} ({width:g}x{height:g}): bbox={boxes[index].tolist()}"

    _check_format(report, boxes, entries.size, describe)
    low, extent = boxes[:, :2], boxes[:, 2:]
    high = low + extent
    negative = (extent < 0).any(axis=1)
    empty = ~negative & (extent <= _EMPTY).any(axis=1)
    clipped = np.minimum(high, entries.size) - np.maximum(low, 0)
    outside = ~negative & ~empty & (clipped <= _EMPTY).any(axis=1)
    inside = ~(negative | empty | outside)
    report.add_where("bbox-negative-size", negative, describe)
    report.add_where("bbox-empty", empty & ~entries.crowd, describe)
    report.add_where("bbox-outside", outside & ~entries.crowd, describe)
    report.add_where("bbox-negative-corner", inside & (low < -SLACK).any(axis=1), describe)
    report.add_where("bbox-clipped", inside & (high > entries.size + SLACK).any(axis=1), describe)
    boxes[~inside] = np.nan
    return boxes


def _fault(box: Any) -> str | None:
    """The kind of fault in the form of one bbox; None where it is four finite numbers."""
    if box is None or box == []:
        return "bbox-missing"
    if not isinstance(box, list) or len(box) != 4:
        return "bbox-length"
    if not are_numbers(box):
        return "bbox-number"
    return None


def _check_format(report: CocoReport, boxes: np.ndarray, size: np.ndarray,
                  describe: Callable[[int], str]) -> None:
    """Recognises sets whose boxes are all in another format than COCO's."""
    usable = np.isfinite(boxes).all(axis=1)
    if not usable.any():
        return
    boxes, size = boxes[usable], size[usable]
    first = describe(int(usable.argmax()))
    # Whole numbers from 0 to 1 could be boxes of one pixel.
    if (abs(boxes) <= 1).all() and (boxes % 1 != 0).any():
        report.add("bbox-normalised", first, len(boxes))
    corners_fit = (boxes[:, 2:] >= boxes[:, :2]) & (boxes[:, 2:] <= size + SLACK)
    leaves = (boxes[:, :2] + boxes[:, 2:] > size + SLACK).any(axis=1)
    if len(boxes) >= _FEW and corners_fit.all() and leaves.mean() >= _SHARE:
        report.add("bbox-corners", first, len(boxes))
