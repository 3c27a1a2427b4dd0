"""CVAT for images 1.1: one XML file for many images."""

import math
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from resnest_dense.data.convert.folder import Folder, split_named
from resnest_dense.data.convert.readers.files import number, read_xml, whole
from resnest_dense.data.convert.readers.shapes import (
    corners,
    ellipse,
    join_groups,
    mask_of,
    polygon,
    turned,
)
from resnest_dense.data.convert.record import Collection, Picture, Thing

__all__ = ["read"]


def read(folder: Folder, sources: list[Path]) -> Collection:
    """The set in a folder with CVAT's files; subsets and folder names give its splits."""
    found = Collection(declared=folder.declared())
    for source in sources:
        root = read_xml(source, folder)
        if root is None:
            continue
        for label in root.iterfind("./meta//labels/label/name"):
            found.classes.setdefault((label.text or "").strip(), {})
        for track in root.iterfind("track"):
            folder.report.add("track", f"{folder.shown(source)}: track {track.get('id')} of "
                              f"{track.get('label')!r}")
        for entry in root.iterfind("image"):
            picture = _picture(entry, source, folder)
            if picture is not None:
                found.pictures.append(picture)
    found.classes.pop("", None)
    return found


def _picture(entry: ElementTree.Element, source: Path, folder: Folder) -> Picture | None:
    path = folder.image(entry.get("name") or "", source)
    if path is None:
        return None
    size = folder.size_of(path, whole(entry.get("width")), whole(entry.get("height")))
    if size is None:
        return None
    things, apart = join_groups(list(_objects(entry, folder, size)))
    if apart:
        folder.report.add("group-apart", str(entry.get("name")), apart)
    split = split_named(entry.get("subset") or "") or folder.split_of(path)
    return Picture(path, size, things, split)


def _objects(entry: ElementTree.Element, folder: Folder, size: tuple[int, int]
             ) -> Iterator[tuple[object, Thing]]:
    for place, shape in enumerate(entry):
        name = (shape.get("label") or "").strip()
        where = f"{entry.get('name')}, shape {place + 1}, {shape.tag} {name!r}"
        if not name:
            folder.report.add("class-unnamed", where)
            continue
        try:
            thing = _thing(shape, name, where, folder, size)
        except ValueError as error:
            folder.report.add("line-form", f"{where}: {error}")
            continue
        if thing is not None:
            yield shape.get("group_id") if shape.get("group_id") not in ("0", "") else None, thing


def _thing(shape: ElementTree.Element, name: str, where: str, folder: Folder,
           size: tuple[int, int]) -> Thing | None:
    if shape.tag == "polygon":
        points = [[float(value) for value in point.split(",")]
                  for point in shape.get("points", "").split(";")]
        if len(points) >= 3:
            return polygon(name, points)
        folder.report.add("shape-short", where)
    elif shape.tag == "box":
        left, top, right, bottom = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
        angle = number(shape.get("rotation", "0"))
        if not angle:
            return Thing(name, corners((left, top), (right, bottom)))
        folder.report.add("shape-turned", where)
        return polygon(name, turned([(left, top), (right, top), (right, bottom), (left, bottom)],
                                    ((left + right) / 2, (top + bottom) / 2), angle))
    elif shape.tag == "ellipse":
        folder.report.add("shape-round", where)
        x, y, *radii = _numbers(shape, "cx", "cy", "rx", "ry")
        return polygon(name, ellipse((x, y), radii, number(shape.get("rotation", "0"))))
    elif shape.tag == "mask":
        left, top, width, height = map(int, _numbers(shape, "left", "top", "width", "height"))
        runs = [int(run) for run in shape.get("rle", "").split(",")]
        if sum(runs) != width * height or width > size[0] or height > size[1]:
            raise ValueError(f"runs of {sum(runs)} pixels in all for a mask of {width}x{height}")
        # Along the rows, unlike COCO's; background first.
        window = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width)
        mask = mask_of(name, window, left, top, size)
        if mask is None:
            folder.report.add("object-empty", where)
        return mask
    else:
        folder.report.add("shape-other", where)
    return None


def _numbers(shape: ElementTree.Element, *names: str) -> list[float]:
    values = [number(shape.get(name)) for name in names]
    if not all(map(math.isfinite, values)):
        raise ValueError(f"no numbers in {', '.join(names)}")
    return values
