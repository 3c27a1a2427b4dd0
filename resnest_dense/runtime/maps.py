"""Maps on their way out of a graph, by bilinear filters: labels of an image's pixels, and the
pixels of each object's mask."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Mask", "label_pixels", "paste_mask", "resize_maps"]

_TILE = 32  # side of the squares that labels are computed in


def _positions(given: int, wanted: int, align_corners: bool) -> np.ndarray:
    """Where in an axis of ``given`` pixels torch's ``interpolate`` takes its ``wanted`` samples."""
    step = np.arange(wanted, dtype=np.float32)
    if align_corners:
        return (step * np.float32((given - 1) / max(wanted - 1, 1))).clip(0, given - 1)
    return ((step + np.float32(0.5)) * np.float32(given / wanted) - np.float32(0.5)).clip(
        0, given - 1)


def _sample(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """What is at positions between the entries of ``values`` (n, ...); 0 is beyond them."""
    first = np.floor(positions)
    share = (positions - first).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    first = first.astype(np.int64).clip(-2, len(values)) + 2
    padded = np.pad(values, [(2, 2), *[(0, 0)] * (values.ndim - 1)])
    return padded[first] * (1 - share) + padded[first + 1] * share


def resize_maps(maps: np.ndarray, size: tuple[int, int], align_corners: bool) -> np.ndarray:
    """Maps (C, h, w) float32 at another height and width, as torch's bilinear ``interpolate``."""
    rows, columns = (_positions(given, wanted, align_corners)
                     for given, wanted in zip(maps.shape[1:], size))
    high = _sample(maps.transpose(1, 0, 2), rows)
    return _sample(high.transpose(2, 1, 0), columns).transpose(1, 2, 0)


def label_pixels(logits: np.ndarray, padded: tuple[int, int], resized: tuple[int, int],
                 size: tuple[int, int], align_corners: bool) -> np.ndarray:
    """The class with the largest logit of each pixel, (H, W) uint8, of an image of ``size``.

    The logits (C, h, w) are resized to the graph's input (``padded``), cut to the image in it
    (``resized``) and resized to the image, as both frameworks do: two filters, which are one matrix
    for the rows and one for the columns.
    """
    rows, columns = (
        _sample(_sample(np.eye(given, dtype=np.float32), _positions(given, whole, align_corners))
                [:inner], _positions(inner, outer, align_corners))
        for given, whole, inner, outer in zip(logits.shape[1:], padded, resized, size))
    # The largest is sought along memory. The products are so small that BLAS starts no threads,
    # which would fight with those of the runtime.
    last = np.ascontiguousarray(logits.transpose(2, 1, 0))
    labels = np.empty(size, np.uint8)
    for top in range(0, size[0], _TILE):
        down, high = _band(rows[top:top + _TILE])
        strip = np.matmul(down, last[:, high]).transpose(1, 0, 2)
        for left in range(0, size[1], _TILE):
            across, wide = _band(columns[left:left + _TILE])
            tile = np.matmul(across, strip[:, wide])
            labels[top:top + _TILE, left:left + _TILE] = tile.argmax(axis=2)
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
        (np.arange(start[i], end[i], dtype=np.float32) + np.float32(0.5) - box[i])
        / (box[i + 2] - box[i]) * probabilities.shape[1 - i] - np.float32(0.5) for i in (0, 1))
    window = _sample(_sample(probabilities, rows).T, columns).T >= 0.5
    return Mask(int(start[1]), int(start[0]), window)
