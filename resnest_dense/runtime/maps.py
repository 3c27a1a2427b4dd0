"""Maps on their way out of a graph, by bilinear filters as products of matrices: labels of an
image's pixels, and the pixels of each object's mask."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Mask", "label_pixels", "paste_mask", "resize_maps"]

_TILE = 64  # side of the squares that labels are computed in; their logits stay in the cache


def _resizing(given: int, wanted: int, align_corners: bool) -> np.ndarray:
    """The matrix (wanted, given) float32 that does to one axis what torch's bilinear
    ``interpolate`` does: resized maps are ``rows @ map @ columns.T``."""
    step = np.arange(wanted, dtype=np.float32)
    if align_corners:
        position = step * np.float32((given - 1) / max(wanted - 1, 1))
    else:
        position = ((step + 0.5) * np.float32(given / wanted) - 0.5).clip(0)
    return _sampling(position.clip(0, given - 1), given)


def _sampling(position: np.ndarray, given: int) -> np.ndarray:
    """The matrix that takes samples at positions in pixels; nothing is beyond the borders."""
    first = np.floor(position).astype(np.int64)
    share = (position - first).astype(np.float32)
    matrix = np.zeros((len(position), given + 2), np.float32)  # a column on each side, cut off
    rows = np.arange(len(position))
    matrix[rows, (first + 1).clip(0, given + 1)] = 1 - share
    matrix[rows, (first + 2).clip(0, given + 1)] += share
    return matrix[:, 1:-1]


def resize_maps(maps: np.ndarray, size: tuple[int, int], align_corners: bool) -> np.ndarray:
    """Maps (C, h, w) float32 at another height and width."""
    rows, columns = (_resizing(given, wanted, align_corners)
                     for given, wanted in zip(maps.shape[1:], size))
    return rows @ (maps @ columns.T)


def label_pixels(logits: np.ndarray, padded: tuple[int, int], resized: tuple[int, int],
                 size: tuple[int, int], align_corners: bool) -> np.ndarray:
    """The class with the largest logit of each pixel, (H, W) uint8, of an image of ``size``.

    The logits (C, h, w) are resized to the graph's input (``padded``), cut to the image in it
    (``resized``) and resized to the image, as both frameworks do: two filters, whose matrices
    multiply to one.
    """
    rows, columns = (
        _resizing(inner, outer, align_corners) @ _resizing(given, whole, align_corners)[:inner]
        for given, whole, inner, outer in zip(logits.shape[1:], padded, resized, size))
    labels = np.empty(size, np.uint8)
    for left in range(0, size[1], _TILE):
        across, wide = _band(columns[left:left + _TILE])
        strip = logits[:, :, wide] @ across.T
        for top in range(0, size[0], _TILE):
            down, high = _band(rows[top:top + _TILE])
            tile = np.matmul(down, strip[:, high])
            labels[top:top + _TILE, left:left + _TILE] = tile.argmax(axis=0)
    return labels


def _band(matrix: np.ndarray) -> tuple[np.ndarray, slice]:
    """The columns of a matrix that are not all 0, and where they are."""
    used = np.flatnonzero(matrix.any(axis=0))
    where = slice(int(used[0]), int(used[-1]) + 1)
    return matrix[:, where], where


@dataclass(frozen=True)
class Mask:
    """The pixels of one object: those of a window of the image."""

    top: int
    left: int
    window: np.ndarray  # (h, w) bool

    def whole(self, size: tuple[int, int]) -> np.ndarray:
        """The mask of an image of a height and width, (H, W) bool."""
        mask = np.zeros(size, bool)
        height, width = self.window.shape
        mask[self.top:self.top + height, self.left:self.left + width] = self.window
        return mask


def paste_mask(probabilities: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> Mask:
    """The mask of an object as detectron2 pastes it: 1 where the probability is at least 0.5.

    Args:
        probabilities: (S, S) in the box.
        box: x0, y0, x1, y1 in pixels of the image, float32.
        size: height and width of the image.
    """
    start = np.maximum(np.floor(box[:2]) - 1, 0).astype(int)
    end = np.minimum(np.ceil(box[2:]) + 1, size[::-1]).astype(int)
    columns, rows = (
        _sampling((np.arange(start[i], end[i], dtype=np.float32) + np.float32(0.5) - box[i])
                  / (box[i + 2] - box[i]) * count - np.float32(0.5), count)
        for i, count in ((0, probabilities.shape[1]), (1, probabilities.shape[0])))
    return Mask(int(start[1]), int(start[0]), rows @ probabilities @ columns.T >= 0.5)
