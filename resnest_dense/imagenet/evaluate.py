"""Top-1 and top-5 of a classifier on folders of classes, laid out as ImageNet's validation set."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnest_dense.base.progress import counting
from resnest_dense.data.images import read_rgb
from resnest_dense.data.inputs import find_images
from resnest_dense.errors import ResNeStValueError, listed
from resnest_dense.imagenet.classify import ImageClassifier

__all__ = ["Accuracy", "evaluate_folder"]

_THREADS = 4


@dataclass(frozen=True)
class Accuracy:
    """Shares of images, in percent, whose class was the likeliest, or among the five likeliest."""

    top1: float
    top5: float
    images: int


def evaluate_folder(classifier: ImageClassifier, folder: str | Path, *,
                    batch: int = 32) -> Accuracy:
    """Measures a classifier on the images in the folders of ``folder``, one a class, which in the
    order of their names are its classes.

    Raises:
        ResNeStValueError: no folder of classes, another number of them than the classifier's, a
            folder without images, or an image that cannot be read.
    """
    root = Path(folder)
    folders = sorted(path for path in root.iterdir() if path.is_dir()
                     and not path.name.startswith(".")) if root.is_dir() else []
    if len(folders) != len(classifier.classes):
        raise ResNeStValueError(
            f"{root} has {len(folders)} folders ({listed(path.name for path in folders[:3])}) and "
            f"{classifier.name} {len(classifier.classes)} classes: give a folder with one folder a "
            "class, as ImageNet's validation set is laid out (val/n01440764/...).")
    files = [(image.path, i) for i, path in enumerate(folders) for image in find_images([path])]
    hits = np.zeros(2)
    with ThreadPoolExecutor(_THREADS) as pool, counting("images") as tell:
        for start in range(0, len(files), batch):
            part = files[start:start + batch]
            images = list(pool.map(lambda file: read_rgb(file[0]), part))
            order = np.argsort(-classifier(images), axis=1, kind="stable")
            right = order == np.array([label for _, label in part])[:, None]
            hits += right[:, 0].sum(), right[:, :5].sum()
            tell(start + len(part), len(files))
    top1, top5 = 100 * hits / len(files)
    return Accuracy(float(top1), float(top5), len(files))
