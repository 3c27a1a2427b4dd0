"""Images on their way into a graph: resized as the training framework does, normalised, padded."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from resnest_dense.errors import ResNeStValueError
from resnest_dense.runtime.contract import Contract, Resize

__all__ = ["as_rgb", "batch_images", "padded_size", "resize_image", "target_size"]

_ONE = 1 << 11  # of OpenCV's fixed point


def as_rgb(image: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) of one that is grey (H, W), RGB or RGBA (H, W, 4), uint8.

    Raises:
        ResNeStValueError: another shape or type.
    """
    if image.dtype == np.uint8 and image.size:
        if image.ndim == 2:
            return np.repeat(image[:, :, None], 3, axis=2)
        if image.ndim == 3 and image.shape[2] in (3, 4):
            return image[:, :, :3]
    raise ResNeStValueError(
        f"An image of shape {image.shape} and type {image.dtype}: give (H, W, 3) in uint8.")


def target_size(size: tuple[int, int], resize: Resize) -> tuple[int, int]:
    """Height and width in pixels that an image of a height and width is resized to."""
    height, width = size
    if resize.policy == "none":
        return size
    if resize.policy == "stretch":
        return resize.size
    if resize.policy == "fit":
        longest, shortest = max(resize.size), min(resize.size)
        scale = min(longest / max(size), shortest / min(size))
    else:
        scale = resize.size[0] / min(size)
        if scale * max(size) > resize.size[1]:
            scale *= resize.size[1] / (scale * max(size))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def padded_size(size: tuple[int, int], divisor: int) -> tuple[int, int]:
    """The least multiples of ``divisor`` that hold a height and width."""
    height, width = (-(-side // divisor) * divisor for side in size)
    return height, width


def resize_image(image: np.ndarray, size: tuple[int, int], library: str) -> np.ndarray:
    """An image (H, W, 3) uint8 at another height and width, bit for bit as Pillow's ``BILINEAR``
    ("pillow", which averages where it shrinks) or OpenCV's ``INTER_LINEAR`` ("opencv")."""
    if image.shape[:2] == size:
        return image
    if library == "pillow":
        return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
    return _resize_as_opencv(image, *size)


def batch_images(images: Sequence[np.ndarray], contract: Contract) -> np.ndarray:
    """The input ``images`` of a graph (see :mod:`resnest_dense.runtime.contract`).

    Args:
        images: resized ones, (h, w, 3) RGB uint8.
    """
    inside = contract.preprocess == "inside"
    height, width = padded_size((max(image.shape[0] for image in images),
                                 max(image.shape[1] for image in images)), contract.size_divisor)
    batch = np.full((len(images), 3, height, width), 0 if inside else contract.pad_value,
                    np.uint8 if inside else np.float32)
    mean, std = (np.array(values, np.float32) for values in (contract.mean, contract.std))
    for number, image in enumerate(images):
        order = (2, 1, 0) if contract.channel_order == "BGR" and not inside else (0, 1, 2)
        for channel, source in enumerate(order):
            there = batch[number, channel, :image.shape[0], :image.shape[1]]
            there[:] = image[:, :, source]
            if not inside:
                there -= mean[channel]
                there /= std[channel]
    return batch


def _resize_as_opencv(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Its fixed point: products of 11 bits across, 4 bits dropped, then down the columns."""
    left, right, across = _taps(image.shape[1], width)
    # At the borders OpenCV gives a pixel all the weight across, and splits it down the columns.
    across[0, left == right] = _ONE
    across[1, left == right] = 0
    top, bottom, down = _taps(image.shape[0], height)
    rows, where = np.unique(np.concatenate([top, bottom]), return_inverse=True)
    resized = np.empty((height, width, image.shape[2]), np.uint8)
    for channel in range(image.shape[2]):
        plane = np.ascontiguousarray(image[rows, :, channel])
        wide = plane.take(left, 1) * across[0] + plane.take(right, 1) * across[1] >> 4
        upper = wide[where[:height]] * down[0, :, None] >> 16
        lower = wide[where[height:]] * down[1, :, None] >> 16
        resized[:, :, channel] = upper + lower + 2 >> 2
    return resized


def _taps(given: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each output pixel the two input pixels, and their weights (2, wanted) int32."""
    scale = 1 / (wanted / given)  # OpenCV's order: 1 ulp decides over a rounded weight
    position = ((np.arange(wanted) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(position)
    share = position - first
    first = first.astype(np.int64)
    weights = np.rint(np.stack([1 - share, share]) * np.float32(_ONE)).astype(np.int32)
    return first.clip(0, given - 1), (first + 1).clip(0, given - 1), weights
