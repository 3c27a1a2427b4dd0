"""The embedded miniature ADE20K set: drawn street scenes in the exact ADE20K format.

As in ADE20K, label 0 is "other", classes count from 1 with ADE20K's own numbers, and most scenes
have a few of them only. It exists so that training and testing can be tried without a download.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from demo.streets import CLASSES, draw_street
from resnest_dense.errors import ResNeStValueError

__all__ = ["CLASSES", "MiniAde", "write_mini_ade"]


@dataclass(frozen=True)
class MiniAde:
    """Where a miniature ADE20K set lies; the folders are those of ``ADEChallengeData2016``."""

    root: Path
    train_images: Path
    train_labels: Path
    val_images: Path
    val_labels: Path


def write_mini_ade(root: str | Path, *, train: int = 160, val: int = 40,
                   size: tuple[int, int] = (128, 96), seed: int = 0) -> MiniAde:
    """Draw the set and write it below ``root``, over what an earlier call has left there.

    The same arguments give the same bytes (with the same cv2); image i depends on the seed, its
    split and i alone.

    Args:
        root: gets ``{images,annotations}/{training,validation}``.
        train: number of training images.
        val: number of validation images.
        size: (width, height) of every image in pixels.
        seed: another one draws other images.

    Raises:
        ResNeStValueError: no image in a split, a side below 48 pixels, a negative seed.
    """
    limits = {"train": (train, 1), "val": (val, 1), "size": (min(size), 48), "seed": (seed, 0)}
    for name, (value, least) in limits.items():
        if value < least:
            raise ResNeStValueError(
                f"{name} has {value} in write_mini_ade: use a whole number of at least {least}."
            )
    folders = [Path(root) / kind / split for split in ("training", "validation")
               for kind in ("images", "annotations")]
    for stream, (count, stem) in enumerate(((train, "ADE_train"), (val, "ADE_val"))):
        images, labels = folders[2 * stream:2 * stream + 2]
        for folder in (images, labels):
            folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            photo, label = draw_street(np.random.default_rng([seed, stream, index]), size)
            name = f"{stem}_{index + 1:08d}"
            cv2.imwrite(str(images / f"{name}.jpg"), photo, [cv2.IMWRITE_JPEG_QUALITY, 92])
            cv2.imwrite(str(labels / f"{name}.png"), label)
    return MiniAde(Path(root), *folders)
