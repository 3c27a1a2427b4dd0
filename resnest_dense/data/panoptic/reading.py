"""Reading a COCO panoptic JSON file: its categories are things (objects) or stuff (regions)."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from resnest_dense.data.coco.reading import load_sections
from resnest_dense.errors import ResNeStValueError

__all__ = ["UNLABELLED", "load_panoptic_json", "name_segment", "read_segment_ids", "stuff_labels",
           "thing_categories"]

UNLABELLED = 255  # in semantic labels
_MOST_STUFF = 254  # a label is a byte: 0 is any thing, 255 no label


def load_panoptic_json(path: str | Path) -> dict:
    """The content of a COCO panoptic file; its annotations have a list of segments each.

    Raises:
        ResNeStValueError: what :func:`resnest_dense.data.coco.reading.load_sections` refuses, an
            annotation without segments_info, an id that is a list or an object, a category without
            isthing or with id 0, or more stuff than a byte can number.
    """
    content = load_sections(path)
    for position, entry in enumerate(content["annotations"]):
        segments = entry.get("segments_info")
        if not isinstance(segments, list) or not all(isinstance(s, dict) for s in segments):
            raise ResNeStValueError(f"{path}: annotations[{position}] has no list of objects "
                                    "'segments_info', so this is no panoptic file. Give the JSON "
                                    "whose annotations are one an image.")
        _check_ids(path, f"annotations[{position}]", entry, "image_id")
        for segment in segments:
            _check_ids(path, f"a segment of annotations[{position}]", segment, "id", "category_id")
    for position, image in enumerate(content["images"]):
        _check_ids(path, f"images[{position}]", image, "id")
    for category in content["categories"]:
        if category.get("isthing") not in (0, 1):
            raise ResNeStValueError(f"{path}: category {category['name']!r} has "
                                    f"isthing={category.get('isthing')!r}; write 1 for objects "
                                    "that are counted and 0 for stuff (sky, grass).")
        if category["id"] == 0:
            raise ResNeStValueError(f"{path}: category {category['name']!r} has id 0, which "
                                    "detectron2 takes for all things together: number the "
                                    "categories from 1.")
    if len(stuff_labels(content["categories"])) > _MOST_STUFF:
        raise ResNeStValueError(f"{path} has more than {_MOST_STUFF} stuff categories, which is "
                                "all that detectron2's label images can number.")
    return content


def thing_categories(categories: list[dict]) -> dict[int, str]:
    """Names of the thing categories by id, in the order of the ids."""
    return _named(categories, 1)


def stuff_labels(categories: list[dict]) -> dict[int, int]:
    """Label in the semantic PNGs of each stuff category id: 1, 2, ... in the order of the ids.

    As detectron2's ``prepare_panoptic_fpn.py`` numbers COCO's; 0 is any thing there.
    """
    return {category_id: label for label, category_id in enumerate(_named(categories, 0), start=1)}


def read_segment_ids(path: str | Path) -> np.ndarray:
    """The segment of each pixel of a panoptic PNG, (H, W) int32: R + 256 G + 65536 B.

    Raises:
        OSError: no such file, or no image.
        ResNeStValueError: an image without three colour channels.
    """
    with Image.open(path) as picture:
        if picture.mode not in ("RGB", "RGBA"):
            raise ResNeStValueError(f"mode {picture.mode}")
        pixels = np.asarray(picture, dtype=np.int32)
    return pixels[..., 0] + 256 * pixels[..., 1] + 65536 * pixels[..., 2]


def name_segment(entry: dict, segment_id: Any) -> str:
    """Names a segment by its id and its annotation's PNG."""
    return f"segment id {segment_id!r} of {entry.get('file_name')!r}"


def _check_ids(path: str | Path, where: str, entry: dict, *keys: str) -> None:
    for key in keys:
        if isinstance(entry.get(key), (list, dict)):
            raise ResNeStValueError(f"{path}: {where} has {key}={entry[key]!r}; write a whole "
                                    "number.")


def _named(categories: list[dict], isthing: int) -> dict[int, str]:
    chosen = {c["id"]: c["name"] for c in categories if c["isthing"] == isthing}
    return dict(sorted(chosen.items()))
