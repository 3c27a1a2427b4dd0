"""Images to try an exported model on: real ones, or where there are none generated ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from resnest_dense.data.images import read_rgb
from resnest_dense.runtime.images import resize_image

__all__ = ["draw_pictures", "read_pictures", "shrink"]

_COUNT = 8


def read_pictures(paths: Sequence[Path]) -> list[np.ndarray]:
    """Some of these files, evenly spread, (H, W, 3) RGB uint8.

    Raises:
        ResNeStValueError: a file that is no image.
    """
    step = max(1, len(paths) // _COUNT)
    return [read_rgb(path) for path in paths[::step][:_COUNT]]


def draw_pictures() -> list[np.ndarray]:
    """Shapes of all sizes and colours over a shaded ground, the same ones each time."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:480, :640]
    pictures = []
    for _ in range(_COUNT):
        ground = np.stack([rows * a + columns * b for a, b in generator.uniform(-0.2, 0.2, (3, 2))])
        picture = ground + generator.uniform(40, 210, (3, 1, 1)) + generator.normal(0, 6, (3, 1, 1))
        for _ in range(generator.integers(4, 20)):
            y, x = generator.uniform(0, (480, 640))
            high, wide = generator.uniform(8, 120, 2)
            distance = np.abs((rows - y) / high) ** 2 + np.abs((columns - x) / wide) ** 2
            picture[:, distance < 1] = generator.uniform(0, 255, (3, 1))
        picture += generator.normal(0, 8, picture.shape)
        pictures.append(picture.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
    return pictures


def shrink(picture: np.ndarray, side: int, library: str) -> np.ndarray:
    """The picture with a shorter side of so many pixels."""
    height, width = picture.shape[:2]
    scale = side / min(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return resize_image(picture, size, library)
