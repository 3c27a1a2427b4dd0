"""The kinds of toys in drawn scenes and their shapes."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["CATEGORIES", "SUPERSAMPLING", "Category", "draw_shape"]

SUPERSAMPLING = 4
"""Pixels of a shape or mask along one pixel of the photo."""

_ROOM = 8  # pixels around a shape, for its shadow


def _circle(diameter: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * diameter / 2


def _ball(rng: np.random.Generator) -> list[np.ndarray]:
    return [_circle(1)]


def _box(rng: np.random.Generator) -> list[np.ndarray]:
    half = rng.uniform(0.3, 0.5)
    return [np.array([(-0.5, -half), (0.5, -half), (0.5, half), (-0.5, half)])]


def _kite(rng: np.random.Generator) -> list[np.ndarray]:
    half, bar = rng.uniform(0.28, 0.4), rng.uniform(-0.25, -0.1)
    return [np.array([(0, -0.5), (half, bar), (0, 0.5), (-half, bar)])]


def _star(rng: np.random.Generator) -> list[np.ndarray]:
    angles = np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2, rng.uniform(0.2, 0.26), 0.5)
    return [np.stack([radii * np.sin(angles), radii * np.cos(angles)], axis=1)]


def _ring(rng: np.random.Generator) -> list[np.ndarray]:
    return [_circle(1), _circle(rng.uniform(0.45, 0.6))]


@dataclass(frozen=True)
class Category:
    """A kind of toy.

    Args:
        id: in the annotations.
        name: in the annotations.
        hue: that most of the kind are near, 0 to 1.
        roundness: see :func:`demo.textures.shade`.
        outline: draws closed outlines (points, 2), about 1 wide around 0; an inner one is a hole.
    """

    id: int
    name: str
    hue: float
    roundness: float
    outline: Callable[[np.random.Generator], list[np.ndarray]]


CATEGORIES = (
    Category(3, "ball", 0.0, 1.0, _ball),
    Category(17, "box", 0.8, 0.15, _box),
    Category(44, "kite", 0.6, 0.25, _kite),
    Category(62, "star", 0.15, 0.9, _star),
    Category(90, "ring", 0.4, 1.0, _ring),
)


def draw_shape(rng: np.random.Generator, category: Category, span: float) -> np.ndarray:
    """A toy of the category, ``span`` pixels wide, turned and squeezed at random.

    Returns:
        Its mask: bool, a square with some room around the toy, :data:`SUPERSAMPLING` fold.
    """
    turn, squeeze = (np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
                     for angle in rng.uniform(0, 2 * np.pi, 2))
    warp = turn @ np.diag([1, rng.uniform(0.8, 1)]) @ squeeze * span
    side = int(1.5 * span) + 2 * _ROOM
    outlines = [np.int32((points @ warp.T + side / 2) * SUPERSAMPLING)
                for points in category.outline(rng)]
    mask = np.zeros((side * SUPERSAMPLING, side * SUPERSAMPLING), np.uint8)
    return cv2.fillPoly(mask, outlines, 1).astype(bool)  # even-odd, hence the holes
