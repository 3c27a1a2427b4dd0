"""Drawn scenes of toys that hide parts of each other, with the visible part of each toy."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from demo import textures
from demo.toys import CATEGORIES, SUPERSAMPLING, Category, draw_shape

__all__ = ["Scene", "Toy", "draw_scene"]

_LEAST_VISIBLE = 0.5  # share of a toy that those in front of it must leave in view
_TRIES = 8            # places tried for a toy before it is left out
_HUE_SPREAD = 0.07    # the hues of the categories are 0.2 apart: they overlap


@dataclass(frozen=True)
class Toy:
    """What can be seen of one toy, or of a crowd of toys of one kind.

    Args:
        category: its kind.
        mask: the visible part, bool, (H, W) of the photo times ``SUPERSAMPLING``.
        whole: pixels of the mask before anything hid them.
        crowd: whether these are many toys.
    """

    category: Category
    mask: np.ndarray
    whole: int
    crowd: bool = False


@dataclass(frozen=True)
class Scene:
    """A photo (H, W, 3) in BGR, uint8, and the toys in it from back to front."""

    photo: np.ndarray
    toys: list[Toy]


def draw_scene(rng: np.random.Generator, size: tuple[int, int], *, spans: list[float],
               crowd: bool) -> Scene:
    """Draw toys on a background, each in front of those before it.

    A toy that would hide half of another is moved, or left out where it fits nowhere.

    Args:
        rng: decides everything else.
        size: (width, height) of the photo in pixels.
        spans: the width of each toy in pixels, from back to front.
        crowd: whether a crowd of tiny toys of one kind lies behind the others.
    """
    canvas = textures.background(rng, size[::-1])
    light = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.7, -0.3), 0.8])  # from above
    light /= np.linalg.norm(light)
    toys = [_draw_crowd(rng, canvas, light)] if crowd else []
    for span in spans:
        category = _any_category(rng)
        shape = draw_shape(rng, category, span)
        margin = np.clip(0.3 * span / np.array(size), 0.12, 0.5)
        for _ in range(_TRIES):
            corner = _corner(rng.uniform(margin, 1 - margin) * size, shape)
            mask = _in_photo(shape, corner, size)
            behind = [replace(toy, mask=toy.mask & ~mask) for toy in toys]
            if all(toy.mask.sum() > _LEAST_VISIBLE * toy.whole for toy in behind):
                _paint(rng, canvas, category, shape, corner, light)
                toys = [*behind, Toy(category, mask, int(mask.sum()))]
                break
    return Scene(textures.camera(rng, canvas), toys)


def _draw_crowd(rng: np.random.Generator, canvas: np.ndarray, light: np.ndarray) -> Toy:
    """Paint a heap of tiny toys; returns the region that they fill."""
    category, size = _any_category(rng), np.array(canvas.shape[1::-1])
    middle, spread = rng.uniform(0.25, 0.75, 2) * size, rng.uniform(0.07, 0.12) * size.min()
    region = np.zeros(size[::-1] * SUPERSAMPLING, bool)
    for _ in range(rng.integers(20, 35)):
        shape = draw_shape(rng, category, rng.uniform(0.06, 0.09) * size.min())
        corner = _corner(rng.normal(middle, spread), shape)
        _paint(rng, canvas, category, shape, corner, light)
        region |= _in_photo(shape, corner, size)
    gap = 2 * (SUPERSAMPLING * size.min() // 25) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (gap, gap))
    region = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_CLOSE, disc).astype(bool)
    return Toy(category, region, int(region.sum()), crowd=True)


def _any_category(rng: np.random.Generator) -> Category:
    return CATEGORIES[rng.integers(len(CATEGORIES))]


def _corner(centre: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """The photo's pixel (x, y) at which the square of a shape around ``centre`` begins."""
    return np.int64(centre - len(shape) / SUPERSAMPLING / 2)


def _in_photo(shape: np.ndarray, corner: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask of the whole photo, supersampled, with the shape in it."""
    size = np.array(size) * SUPERSAMPLING
    mask = np.zeros(size[::-1], bool)
    window, part = _windows(corner * SUPERSAMPLING, len(shape), size)
    mask[window] = shape[part]
    return mask


def _windows(corner: np.ndarray, side: int, size: tuple[int, int]) -> tuple[tuple, tuple]:
    """Slices of the photo that a square covers, and slices of the square that the photo shows."""
    start, stop = np.clip(corner, 0, size), np.clip(corner + side, 0, size)
    window = tuple(slice(*edges) for edges in zip(start[::-1], stop[::-1]))
    part = tuple(slice(*edges) for edges in zip((start - corner)[::-1], (stop - corner)[::-1]))
    return window, part


def _paint(rng: np.random.Generator, canvas: np.ndarray, category: Category, shape: np.ndarray,
           corner: np.ndarray, light: np.ndarray) -> None:
    """Paint the shape and its shadow on the canvas, in place."""
    side = len(shape) // SUPERSAMPLING
    alpha = cv2.resize(shape.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    hue = rng.normal(category.hue, _HUE_SPREAD)
    surface = textures.pattern(rng, alpha.shape, hue=hue, period=side * rng.uniform(0.15, 0.35))
    solid = textures.shade(surface, alpha, light=light, roundness=category.roundness)
    shadow = textures.shadow(alpha, light=light)
    window, part = _windows(corner, side, canvas.shape[1::-1])
    ground = canvas[window] * (1 - shadow[part])[..., None]
    canvas[window] = textures.mix(ground, solid[part], alpha[part])
