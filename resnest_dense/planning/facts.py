"""What the rules ask of a data set."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnest_dense.data.coco.reading import load_sections
from resnest_dense.data.image_files import look_at
from resnest_dense.data.images import read_values
from resnest_dense.errors import ResNeStValueError

__all__ = ["BoxFacts", "LabelFacts", "box_facts", "label_facts"]

_READ = 200  # labels, evenly spread, of which the shares of the classes are taken


@dataclass(frozen=True)
class BoxFacts:
    """Of a COCO-format file that is trained on."""

    images: int
    width: float  # medians, in pixels
    height: float
    smallest: float  # a tenth of the objects has a smaller side (the root of the box's area)
    largest: float  # a tenth has a larger one
    most: int  # objects in an image
    coded: bool  # some masks are run-length coded


@dataclass(frozen=True)
class LabelFacts:
    """Of a folder of label PNGs that is trained on."""

    images: int
    width: float
    height: float
    shares: tuple[float, ...]  # of the labelled pixels, by class


def box_facts(path: str | Path, *, panoptic: bool = False) -> BoxFacts:
    """Of a COCO-format file, or a panoptic one.

    Raises:
        ResNeStValueError: no such file, or one without images or objects.
    """
    content = load_sections(path)
    entries = [segment for entry in content["annotations"]
               for segment in (entry.get("segments_info", ()) if panoptic else (entry,))]
    boxes = np.array([entry["bbox"][2:] for entry in entries if len(entry.get("bbox") or ()) == 4
                      and not entry.get("iscrowd")], float).reshape(-1, 2)
    sides = np.sqrt(boxes.clip(min=0).prod(axis=1))
    sizes = np.array([[image.get("width") or 0, image.get("height") or 0]
                      for image in content["images"]], float).reshape(-1, 2)
    if not len(sides) or not len(sizes):
        raise ResNeStValueError(f"{path} has {len(sizes)} images and {len(sides)} objects: there "
                                "is nothing to learn.")
    most = (max(len(entry.get("segments_info", ())) for entry in content["annotations"])
            if panoptic else max(Counter(entry.get("image_id") for entry in entries).values()))
    width, height = np.median(sizes, axis=0).tolist()
    smallest, largest = np.quantile(sides, [0.1, 0.9]).tolist()
    return BoxFacts(len(sizes), width, height, smallest, largest, most,
                    any(isinstance(entry.get("segmentation"), dict) for entry in entries))


def label_facts(pairs: Sequence[tuple[Path, Path]], classes: int) -> LabelFacts:
    """Of images with their labels.

    Raises:
        ResNeStValueError: a file that cannot be read.
    """
    places = np.unique(np.linspace(0, len(pairs) - 1, _READ).astype(int))
    chosen = [pairs[place] for place in places]
    counts = np.zeros(256, np.int64)
    for _, label in chosen:
        values = read_values(label)
        counts += np.bincount(values.ravel(), minlength=256)[:256] if values.ndim == 2 else 0
    sizes = np.array([look_at(image).size for image, _ in chosen], float)
    shares = counts[:classes] / max(counts[:classes].sum(), 1)
    width, height = np.median(sizes, axis=0).tolist()
    return LabelFacts(len(pairs), width, height, tuple(shares.tolist()))
