"""The masks of a COCO-format set: polygons and RLE, and how they fit boxes and images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from resnest_dense.data.coco.boxes import SLACK
from resnest_dense.data.coco.entries import Entries, are_numbers
from resnest_dense.data.coco.report import CocoReport
from resnest_dense.data.coco.rle import rle_bounds, rle_runs
from resnest_dense.errors import ResNeStValueError

__all__ = ["check_masks"]

_LEAST_OVERLAP = 0.5  # IoU of a box and the extent of its mask
_FAR = 1e6  # pixels; pycocotools takes memory for every step on the way along a polygon's edge
_SHOWN = 60  # characters of a segmentation in an example

_Bounds = Sequence[float] | float  # x1, y1, x2, y2 in pixels, or NaN


def check_masks(report: CocoReport, entries: Entries, boxes: np.ndarray, *, needed: bool,
                mask_format: str) -> tuple[np.ndarray, np.ndarray]:
    """Checks the form of each segmentation, and where masks are needed, its content.

    Args:
        boxes: of the A annotations, (A, 4) x, y, width, height in pixels; NaN where unusable.
        needed: the model learns masks.
        mask_format: INPUT.MASK_FORMAT, "polygon" or "bitmask"; "" where unknown.

    Returns:
        Two (A,) bool: where detectron2 does not load the annotation, with or without a mask head,
        and where it drops it later for its empty mask.
    """
    faults = [_form_fault(entry.get("segmentation")) for entry in entries.annotations]
    for index, fault in enumerate(faults):
        if fault:
            shown = str(entries.annotations[index]["segmentation"])[:_SHOWN]
            report.add(fault, f"{entries.where(index)}: {shown}")
    empty = np.zeros(len(faults), dtype=bool)
    if needed:
        bounds = _check_contents(report, entries, faults, mask_format)
        # Bounds of an empty mask are reversed.
        empty = bounds[:, 0] > bounds[:, 2]
        report.add_where("mask-empty", empty & ~entries.crowd, entries.where)
        bounds[empty] = np.nan
        _compare(report, entries, boxes, bounds)
    return np.array([fault == "polygon-none-valid" for fault in faults], dtype=bool), empty


def _form_fault(mask: Any) -> str | None:
    """The kind of fault in the form of one segmentation; None where there is none, or no mask."""
    if not mask:
        return None
    if isinstance(mask, dict):
        size, counts = mask.get("size"), mask.get("counts")
        if not (isinstance(size, list) and len(size) == 2 and isinstance(counts, (list, str))):
            return "rle-form"
        # detectron2 compresses lists while it loads, masks needed or not; runs have 32 bits then.
        values = [*size, *counts] if isinstance(counts, list) else size
        fine = all(type(value) is int and 0 <= value < 2**32 for value in values)
        return None if fine else "rle-form"
    if not isinstance(mask, list) or not all(isinstance(polygon, list) for polygon in mask):
        return "mask-form"
    valid = sum(map(_has_points, mask))
    if valid == len(mask):
        return None
    return "polygon-invalid" if valid else "polygon-none-valid"


def _has_points(polygon: list) -> bool:
    return len(polygon) >= 6 and len(polygon) % 2 == 0


def _check_contents(report: CocoReport, entries: Entries, faults: list[str | None],
                    mask_format: str) -> np.ndarray:
    """The extents (x1, y1, x2, y2) of the masks in pixels, (A, 4); NaN where there is none."""
    bounds = np.full((len(faults), 4), np.nan)
    for index, (entry, fault) in enumerate(zip(entries.annotations, faults)):
        mask = entry.get("segmentation")
        if not mask:
            report.add("mask-missing", entries.where(index))
        elif isinstance(mask, dict):
            if not fault:
                bounds[index] = _check_rle(report, entries, index, mask_format)
        elif fault != "mask-form":
            if len(mask[0]) <= 4:
                report.add("polygon-first-short", f"{entries.where(index)}: {mask[0]}")
            if entry.get("iscrowd") == 1:
                report.add("crowd-polygon", entries.where(index))
            try:
                bounds[index] = _polygon_bounds([p for p in mask if _has_points(p)])
            except ResNeStValueError as error:
                report.add("polygon-number", f"{entries.where(index)}: {error}")
    return bounds


def _check_rle(report: CocoReport, entries: Entries, index: int, mask_format: str) -> _Bounds:
    mask, where = entries.annotations[index]["segmentation"], entries.where(index)
    height, width = mask["size"]
    if mask_format == "polygon" and not entries.crowd[index]:
        report.add("rle-as-polygon", where)
    expected = entries.size[index]
    if np.isfinite(expected).all() and (width, height) != tuple(expected):
        report.add("rle-size", f"{where}: size=[{height}, {width}], image height and width "
                               f"[{expected[1]:g}, {expected[0]:g}]")
        return np.nan
    try:
        return rle_bounds(rle_runs(mask["counts"], height * width), height)
    except ResNeStValueError as error:
        report.add("rle-broken", f"{where}: {error}")
        return np.nan


def _polygon_bounds(polygons: list[list]) -> _Bounds:
    if not polygons:
        return np.nan
    for polygon in polygons:
        if not are_numbers(polygon):
            raise ResNeStValueError(str(polygon)[:_SHOWN])
    columns, rows = ([polygon[axis::2] for polygon in polygons] for axis in (0, 1))
    bounds = (min(map(min, columns)), min(map(min, rows)),
              max(map(max, columns)), max(map(max, rows)))
    if max(map(abs, bounds)) > _FAR:
        raise ResNeStValueError(f"from {bounds[:2]} to {bounds[2:]}")
    return bounds


def _compare(report: CocoReport, entries: Entries, boxes: np.ndarray, bounds: np.ndarray) -> None:
    def describe(index: int) -> str:
        return (f"{entries.where(index)}: mask from {bounds[index, :2].tolist()} to "
                f"{bounds[index, 2:].tolist()}, bbox={boxes[index].tolist()}")

    # A pixel more on each side, as objects of few pixels are rounded in many ways.
    low, high = bounds[:, :2] - SLACK, bounds[:, 2:] + SLACK
    box_low, box_high = boxes[:, :2] - SLACK, boxes[:, :2] + boxes[:, 2:] + SLACK
    shared = np.minimum(high, box_high) - np.maximum(low, box_low)
    common = shared.clip(min=0).prod(axis=1)
    union = (high - low).prod(axis=1) + (box_high - box_low).prod(axis=1) - common
    beyond = (low < -2 * SLACK) | (high > entries.size + 2 * SLACK)
    report.add_where("polygon-outside", beyond.any(axis=1), describe)
    report.add_where("bbox-mask-apart", common == 0, describe)
    report.add_where("bbox-mask-differ", (common > 0) & (common < _LEAST_OVERLAP * union), describe)
