"""The entries of a COCO-format file: their ids, and how they refer to each other."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from resnest_dense.data.coco.report import CocoReport

__all__ = ["Entries", "are_numbers", "check_categories", "check_image_entries", "is_extent",
           "link_annotations", "name_image", "usable_ids"]

_LARGEST = 2**31 - 1  # pixels; images of more have no side that C's int holds
_DIGITS = 19  # of an id that is a text

_MOST = 0.5  # of the objects; COCO marks 1 in 100 as crowds


@dataclass(frozen=True)
class Entries:
    """The A annotations whose image is in the file, with what other checks ask about them."""

    annotations: list[dict]  # their JSON objects
    images: list[dict]  # the JSON objects of the I images
    image: np.ndarray  # (A,) int, position of each annotation's image
    size: np.ndarray  # (A, 2) float, width and height of that image in pixels; NaN where unusable
    crowd: np.ndarray  # (A,) bool, true where detectron2 takes the annotation for a crowd region

    def where(self, index: int) -> str:
        """Names an annotation by its id and its image's file."""
        file_name = self.images[self.image[index]].get("file_name")
        return f"annotation id {self.annotations[index].get('id')!r} of image {file_name!r}"


def check_categories(report: CocoReport, categories: list[dict], *,
                     class_names: Sequence[str] | None, class_count: int | None) -> None:
    """Checks the categories, sorted by id and each with an id and a name, among themselves, and
    against names and number of the model's classes where these are not None."""
    report.classes = len(categories)
    if not categories:
        report.add("no-categories", "'categories' is an empty list")
    ids, names = ([category[key] for category in categories] for key in ("id", "name"))
    report.add_repeats("category-id-repeated", ids, "category id ")
    report.add_repeats("category-name-repeated", names, "category name ")
    if ids != list(range(1, len(ids) + 1)):
        report.add("category-ids-gap", f"{len(ids)} ids from {ids[0]} to {ids[-1]}")
    if class_count is not None and class_count != len(names):
        report.add("class-count", f"{class_count} in the model, {len(names)} in the set")
    model_names = names if class_names is None else class_names
    for index, (ours, theirs) in enumerate(zip_longest(model_names, names)):
        if ours != theirs:
            report.add("class-names",
                       f"class {index} is {ours!r} in the model, {theirs!r} in the set")


def check_image_entries(report: CocoReport, images: list[dict]) -> None:
    """Checks ids, names and sizes of the image entries; the files are not opened."""
    report.images = len(images)
    if not images:
        report.add("no-images", "'images' is an empty list")
    ids = usable_ids(images, "id")
    usable = [image_id for image_id in ids if image_id is not None]
    report.add_repeats("image-id-repeated", usable, "image id ")
    if len({isinstance(image_id, str) for image_id in usable}) > 1:
        report.add("image-ids-mixed", f"the first is {ids[0]!r}")
    names = [image.get("file_name") for image in images]
    for position, (image, image_id, name) in enumerate(zip(images, ids, names)):
        where = f"images[{position}] ({name_image(image)})"
        if image_id is None:
            report.add("image-id", where)
        if not isinstance(name, str) or not name:
            report.add("image-file-name", where)
        elif "\\" in name:
            report.add("image-backslash", where)
        elif name[0] == "/" or ".." in name.split("/"):
            report.add("image-outside-folder", where)
        for key in ("width", "height"):
            if not is_extent(image.get(key)):
                report.add("image-extent", f"{where}: {key}={image.get(key)!r}")
    report.add_repeats("image-file-repeated", (name for name in names if isinstance(name, str)),
                       "file_name ")


def link_annotations(report: CocoReport, annotations: list[dict], images: list[dict],
                     categories: list[dict]) -> Entries:
    """Checks the annotation entries and keeps those whose image is in the file; ``categories``
    have an id and a name each and are sorted by id."""
    report.annotations = len(annotations)
    if not annotations:
        report.add("no-annotations", "'annotations' is an empty list")
    _check_annotation_ids(report, annotations)
    position_of = {image_id: position for position, image_id in enumerate(usable_ids(images, "id"))}
    position_of.pop(None, None)
    alike = {_number(image_id) for image_id in position_of}
    kept, positions = [], []
    for position, image_id in enumerate(usable_ids(annotations, "image_id")):
        entry = annotations[position]
        if image_id in position_of:
            kept.append(entry)
            positions.append(position_of[image_id])
        else:
            kind = ("annotation-image-id" if image_id is None else "id-type"
                    if _number(image_id) in alike else "annotation-image-unknown")
            report.add(kind, f"annotation id {entry.get('id')!r} (annotations[{position}]): "
                             f"image_id={entry.get('image_id')!r}")
    sizes = np.array([[image[key] if is_extent(image.get(key)) else np.nan
                       for key in ("width", "height")] for image in images]).reshape(-1, 2)
    image = np.array(positions, dtype=np.int64)
    # A value of any kind but 0 makes a crowd, as in detectron2.
    crowd = np.array([entry.get("iscrowd", 0) != 0 for entry in kept], dtype=bool)
    entries = Entries(kept, images, image, sizes[image], crowd)
    _check_categories_of(report, entries, categories)
    _check_flags(report, entries)
    return entries


def name_image(image: dict) -> str:
    """Names an image entry by its file and its id."""
    return f"{image.get('file_name')!r}, image id {image.get('id')!r}"


def is_extent(value: Any) -> bool:
    """Whether a value can be the width or height of an image in pixels."""
    return type(value) in (int, float) and 1 <= value <= _LARGEST and value % 1 == 0


def are_numbers(values: Any) -> bool:
    """Whether this is a list of numbers, all finite, of a size that floats have."""
    try:
        return (isinstance(values, list) and set(map(type, values)) <= {int, float}
                and math.isfinite(sum(map(abs, values))))
    except OverflowError:  # a whole number of more than 308 digits
        return False


def _check_annotation_ids(report: CocoReport, annotations: list[dict]) -> None:
    ids = usable_ids(annotations, "id")
    for position, annotation_id in enumerate(ids):
        if annotation_id is None:
            value = annotations[position].get("id")
            report.add("annotation-id", f"annotations[{position}]: id={value!r}")
        elif annotation_id == 0:
            report.add("annotation-id-zero", f"annotations[{position}]")
        elif isinstance(annotation_id, str):
            report.add("annotation-id-text", f"annotations[{position}]: id={annotation_id!r}")
    for position, category_id in enumerate(usable_ids(annotations, "category_id")):
        if category_id is None:
            report.add("annotation-category-id",
                       f"annotation id {ids[position]!r} (annotations[{position}]): "
                       f"category_id={annotations[position].get('category_id')!r}")
    # detectron2 lets COCO 2014's minival sets pass, which have a few.
    if "minival" not in str(report.json_path):
        usable = (annotation_id for annotation_id in ids if annotation_id is not None)
        report.add_repeats("annotation-id-repeated", usable, "annotation id ")


def _check_categories_of(report: CocoReport, entries: Entries, categories: list[dict]) -> None:
    ids = usable_ids(entries.annotations, "category_id")
    known = {category["id"]: category["name"] for category in categories}
    for index, category_id in enumerate(ids):
        if category_id is not None and category_id not in known:
            alike = _number(category_id) in known
            report.add("id-type" if alike else "annotation-category-unknown",
                       f"{entries.where(index)}: category_id={category_id!r}")
    counts = Counter(ids)
    for category_id, name in known.items():
        report.per_class[name] = report.per_class.get(name, 0) + counts[category_id]
        if not counts[category_id]:
            report.add("category-unused", f"category id {category_id} ({name!r})")


def _check_flags(report: CocoReport, entries: Entries) -> None:
    """Checks iscrowd, ignore and area."""
    for index, entry in enumerate(entries.annotations):
        if "iscrowd" not in entry:
            report.add("crowd-missing", entries.where(index))
        elif entry["iscrowd"] not in (0, 1):
            report.add("crowd-value", f"{entries.where(index)}: iscrowd={entry['iscrowd']!r}")
        area: Any = entry.get("area")
        if type(area) not in (int, float):
            report.add("area-missing", f"{entries.where(index)}: area={area!r}")
        elif not 0 < area < math.inf:
            report.add("area-not-positive", f"{entries.where(index)}: area={area!r}")
        if entry.get("ignore", 0) != 0:
            report.add("annotation-ignored", f"{entries.where(index)}: ignore={entry['ignore']!r}")
    report.add_where("crowd", entries.crowd, entries.where)
    if entries.crowd.sum() > _MOST * len(entries.crowd):
        report.add("crowd-most", f"{entries.crowd.sum()} of {len(entries.crowd)} annotations")


def _number(value: float | str) -> float | str:
    """An id; of one that is a text, the number that it may stand for."""
    decimal = isinstance(value, str) and value.isdecimal() and len(value) <= _DIGITS
    return int(value) if decimal else value


def usable_ids(entries: list[dict], key: str) -> list:
    """The entries' values of ``key``; None where that is missing or cannot be an id."""
    values = [entry.get(key) for entry in entries]
    if set(map(type, values)) <= {int}:
        return values
    return [value if type(value) in (int, float, str) else None for value in values]
