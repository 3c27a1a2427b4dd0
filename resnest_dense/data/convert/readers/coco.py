"""COCO itself, as other tools export it: one file or several, anywhere among the images."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resnest_dense.data.coco.entries import usable_ids
from resnest_dense.data.coco.reading import load_coco_json
from resnest_dense.data.convert.folder import Folder, split_named
from resnest_dense.data.convert.readers.shapes import box_of
from resnest_dense.data.convert.record import Collection, Picture, Thing
from resnest_dense.errors import ResNeStValueError

__all__ = ["read"]

_WRITTEN = ("id", "image_id", "category_id", "bbox", "segmentation", "iscrowd")
_MOST = 0.5  # of the objects; more are no crowds


def read(folder: Folder, sources: list[Path]) -> Collection:
    """The set of COCO-format files in a folder; their names or folders give its splits."""
    found = Collection(declared=folder.declared())
    crowds: list[Thing] = []
    for source in sources:
        try:
            content = load_coco_json(source)
        except ResNeStValueError as error:
            folder.report.add("file-broken", str(error))
            continue
        words = re.split(r"[^a-z0-9]+", source.stem.lower())
        split = folder.split_of(source) or next(filter(None, map(split_named, words)), "")
        if split:
            found.declared.setdefault(split, folder.shown(source))
        names = _classes(content, source, folder, found)
        pictures: dict[Any, Picture] = {}
        image_ids = usable_ids(content["images"], "id")
        known = {*image_ids} - {None}
        for image_id, entry in zip(image_ids, content["images"]):
            path = folder.image(str(entry.get("file_name", "")), source)
            size = (folder.size_of(path, entry.get("width"), entry.get("height"))
                    if path else None)
            if path is not None and size is not None:
                pictures[image_id] = Picture(path, size,
                                             split=split or folder.split_of(path))
        links = zip(*(usable_ids(content["annotations"], key)
                      for key in ("image_id", "category_id")))
        for (image_id, category_id), entry in zip(links, content["annotations"]):
            where = f"{folder.shown(source)}, annotation {entry.get('id')!r}"
            if image_id not in known or category_id not in names:
                folder.report.add("annotation-lost", where)
            elif (picture := pictures.get(image_id)) is not None:
                picture.things += _objects(entry, names[category_id], where, folder)
        found.pictures += pictures.values()
        crowds += [thing for one in pictures.values() for thing in one.things if thing.crowd]
    count = sum(len(picture.things) for picture in found.pictures)
    if len(crowds) > _MOST * count:
        folder.report.add("crowd-most", f"{len(crowds)} of {count}", len(crowds))
        for thing in crowds:
            thing.crowd = 0
    return found


def _classes(content: dict[str, Any], source: Path, folder: Folder, found: Collection
             ) -> dict[int, str]:
    """Names by id; what only groups others, as Roboflow's first category does, is left out."""
    entries = sorted(content["categories"], key=lambda entry: entry["id"])
    used = {*usable_ids(content["annotations"], "category_id")}
    parents = {str(entry.get("supercategory")) for entry in entries if entry["id"] in used}
    names: dict[int, str] = {}
    for entry in entries:
        name = entry["name"].strip()
        if entry["id"] not in used and name in parents and entry.get("supercategory") == "none":
            folder.report.add("class-parent", f"{folder.shown(source)}: {name!r}")
            continue
        names[entry["id"]] = name
        found.classes.setdefault(name, {key: value for key, value in entry.items()
                                        if key not in ("id", "name")})
    return names


def _objects(entry: dict[str, Any], name: str, where: str, folder: Folder) -> Iterator[Thing]:
    mask = entry.get("segmentation") or []
    box = entry.get("bbox")
    if isinstance(mask, list) and not all(
            isinstance(one, list) and len(one) >= 6 and len(one) % 2 == 0 for one in mask):
        folder.report.add("shape-short", where)
        mask = [one for one in mask if isinstance(one, list) and len(one) >= 6
                and len(one) % 2 == 0]
    try:
        if not box and isinstance(mask, list) and mask:
            box = box_of(mask)
        box = [float(value) for value in box or ()]
    except (TypeError, ValueError, OverflowError):
        box = []
    if len(box) != 4:
        folder.report.add("line-form", f"{where}: bbox={entry.get('bbox')!r}")
        return
    extra = {key: value for key, value in entry.items() if key not in _WRITTEN}
    outlines, coded = (mask, None) if isinstance(mask, list) else ([], mask)
    yield Thing(name, box, outlines, coded, int(entry.get("iscrowd") == 1), extra)
