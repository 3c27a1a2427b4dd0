"""COCO-format files, each beside the folder of its images."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnest_dense.base.files import link
from resnest_dense.data.convert.record import SPLITS, Collection, Picture, Thing

__all__ = ["write"]


def write(found: Collection, out: Path) -> dict[str, bool]:
    """Writes ``train.json`` with its images in ``train/``, and so for each split that has images.

    Images are hard links, which take no room, and copies where the file system has none.

    Returns:
        the splits, each with whether its images are links.
    """
    linked: dict[str, bool] = {}
    numbers = {name: place + 1 for place, name in enumerate(found.classes)}
    categories = [{"id": numbers[name], "name": name, **extra}
                  for name, extra in found.classes.items()]
    for split in SPLITS:
        pictures = [picture for picture in found.pictures if picture.split == split]
        if pictures:
            _name(pictures)
            linked[split] = all([link(one.path, out / split / one.name) for one in pictures])
            content = {"images": [], "annotations": [], "categories": categories}
            for picture in pictures:
                _add(content, picture, numbers)
            text = json.dumps(content, ensure_ascii=False)
            (out / f"{split}.json").write_text(text, encoding="utf-8")
    return linked


def _name(pictures: Sequence[Picture]) -> None:
    """Names below one folder, with as much of their paths as tells them apart."""
    top = os.path.commonpath([picture.path.parent for picture in pictures])
    for picture in pictures:
        picture.name = picture.path.relative_to(top).as_posix()


def _add(content: dict[str, list], picture: Picture, numbers: dict[str, int]) -> None:
    number = len(content["images"]) + 1
    content["images"].append({"id": number, "file_name": picture.name,
                              "width": picture.size[0], "height": picture.size[1]})
    for thing in picture.things:
        content["annotations"].append({
            "area": _area(thing), **thing.extra,
            "id": len(content["annotations"]) + 1, "image_id": number,
            "category_id": numbers[thing.name], "bbox": [_short(value) for value in thing.box],
            "segmentation": thing.mask or [[_short(value) for value in one]
                                           for one in thing.polygons],
            "iscrowd": thing.crowd})


def _area(thing: Thing) -> float:
    if not thing.polygons:
        return _short(thing.box[2] * thing.box[3])
    return _short(sum(abs(sum(one[place - 2] * one[place + 1] - one[place] * one[place - 1]
                              for place in range(0, len(one), 2))) / 2 for one in thing.polygons))


def _short(value: float) -> Any:
    """A whole number without ".0"."""
    return int(value) if float(value).is_integer() else value
