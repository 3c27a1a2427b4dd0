"""Shapes of annotation tools as what COCO knows: polygons, boxes and run-length coded masks."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from resnest_dense.data.coco.rle import encode_rle
from resnest_dense.data.convert.record import Thing

__all__ = ["box_of", "corners", "ellipse", "join_groups", "mask_of", "polygon", "turned"]

_SAGITTA = 0.1  # pixels between an ellipse and the chords of its polygon, at most
_LEAST = 12  # points of it


def box_of(polygons: Sequence[Sequence[float]]) -> list[float]:
    """The x, y, width, height around polygons."""
    columns = [x for one in polygons for x in one[::2]]
    rows = [y for one in polygons for y in one[1::2]]
    return [min(columns), min(rows), max(columns) - min(columns), max(rows) - min(rows)]


def polygon(name: str, points: Sequence[Sequence[float]]) -> Thing:
    """An object with one outline, of points x, y."""
    outline = [float(value) for point in points for value in point[:2]]
    return Thing(name, box_of([outline]), [outline])


def corners(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """The x, y, width, height between two opposite corners, in any order."""
    left, top = min(one[0], other[0]), min(one[1], other[1])
    return [left, top, abs(other[0] - one[0]), abs(other[1] - one[1])]


def ellipse(center: Sequence[float], radii: Sequence[float], degrees: float = 0.0
            ) -> list[list[float]]:
    """Points on an ellipse that is turned clockwise, as many as keep its polygon within a tenth of
    a pixel of it."""
    radius = max(*radii, 1e-6)
    step = math.acos(max(1 - _SAGITTA / radius, 0.0))
    # A multiple of four: the box around it is that around the ellipse.
    count = max(_LEAST, 4 * math.ceil(math.pi / max(step, 1e-3) / 4))
    angles = 2 * np.pi * np.arange(count) / count
    return turned([(center[0] + radii[0] * math.cos(a), center[1] + radii[1] * math.sin(a))
                   for a in angles], center, degrees)


def turned(points: Sequence[Sequence[float]], center: Sequence[float], degrees: float
           ) -> list[list[float]]:
    """Points turned clockwise (as seen, y going down) around a centre."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    moved = [(x - center[0], y - center[1]) for x, y in points]
    return [[center[0] + x * cosine - y * sine, center[1] + x * sine + y * cosine]
            for x, y in moved]


def mask_of(name: str, window: np.ndarray, left: int, top: int, size: tuple[int, int]
            ) -> Thing | None:
    """An object with a mask of pixels; None where it has none within the image.

    Args:
        window: (h, w), outside of which it is empty.
        left: column, and ``top`` row, of the image at which the window begins.
        size: width and height of the image.
    """
    width, height = size
    inside = window[max(-top, 0):max(height - top, 0), max(-left, 0):max(width - left, 0)] > 0
    left, top = max(left, 0), max(top, 0)
    if not inside.any():
        return None
    columns, rows = (np.flatnonzero(inside.any(axis=axis)) for axis in (0, 1))
    box = [left + int(columns[0]), top + int(rows[0]), int(np.ptp(columns)) + 1,
           int(np.ptp(rows)) + 1]
    rle: dict[str, Any] = {"size": [height, width],
                           "counts": encode_rle(inside, top, left, (height, width))}
    return Thing(name, box, mask=rle, extra={"area": int(inside.sum())})


def join_groups(things: Sequence[tuple[object, Thing]]) -> tuple[list[Thing], int]:
    """Objects of which the polygons of a group and a class are the parts of one.

    Args:
        things: each with its group, None for none.

    Returns:
        the objects, and the number of boxes and masks in groups, which stay by themselves.
    """
    joined: list[Thing] = []
    first: dict[tuple[object, str], Thing] = {}
    apart = 0
    for group, thing in things:
        apart += group is not None and not thing.polygons
        if group is None or not thing.polygons:
            joined.append(thing)
        elif (whole := first.get((group, thing.name))) is not None:
            whole.polygons += thing.polygons
            whole.box = box_of(whole.polygons)
        else:
            first[group, thing.name] = thing
            joined.append(thing)
    return joined, apart
