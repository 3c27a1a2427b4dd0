"""A segmentor that looks at an image through windows, as MMSegmentation's ``slide`` does."""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from resnest_dense.runtime.contract import Window
from resnest_dense.runtime.maps import resize_maps

__all__ = ["average_windows"]


def average_windows(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, window: Window,
                    align_corners: bool) -> np.ndarray:
    """Logits (N, C, H, W) of images (N, 3, H, W): the mean of those of each window over a pixel.

    Args:
        run: (N, 3, h, w), the images in a window -> their logits, of any size.
        align_corners: how logits are resized to the window.
    """
    total, count = np.zeros(0, np.float32), np.zeros(images.shape[2:], np.float32)
    for down, across in product(*map(_windows, images.shape[2:], window.size, window.stride)):
        logits = run(np.ascontiguousarray(images[:, :, down, across])).astype(np.float32)
        if not total.size:
            total = np.zeros((*logits.shape[:2], *images.shape[2:]), np.float32)
        size = down.stop - down.start, across.stop - across.start
        total[:, :, down, across] += np.stack([resize_maps(one, size, align_corners)
                                               for one in logits])
        count[down, across] += 1
    return total / count


def _windows(length: int, window: int, stride: int) -> Iterator[slice]:
    for start in range(0, max(length - window, 0) + stride, stride):
        end = min(start + window, length)
        yield slice(max(end - window, 0), end)
