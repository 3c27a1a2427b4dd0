"""LabelMe: a JSON file an image, which may have the image in it."""

import base64
import binascii
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from resnest_dense.data.convert.folder import Folder
from resnest_dense.data.convert.readers.files import read_json
from resnest_dense.data.convert.readers.shapes import (
    corners,
    ellipse,
    join_groups,
    mask_of,
    polygon,
)
from resnest_dense.data.convert.record import Collection, Picture, Thing
from resnest_dense.data.images import open_image
from resnest_dense.errors import ResNeStValueError

__all__ = ["read"]

_IGNORED = ("__ignore__", "_background_")  # LabelMe's own names for what is no class


def read(folder: Folder, sources: list[Path], scratch: Path) -> Collection:
    """The set in a folder of LabelMe's files; images that only they have go to ``scratch``."""
    found = Collection(declared=folder.declared())
    used: set[Path] = set()
    for source in sources:
        content = read_json(source, folder)
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            continue
        path = _image(content, source, folder, scratch)
        if path is None:
            continue
        used.add(path)
        size = folder.size_of(path, content.get("imageWidth"), content.get("imageHeight"))
        if size is not None:
            things = list(_objects(content, source, folder, size))
            whole, apart = join_groups(things)
            if apart:
                folder.report.add("group-apart", folder.shown(source), apart)
            found.pictures.append(Picture(path, size, whole, folder.split_of(source)))
    for path in folder.images:
        if path not in used:
            folder.report.add("image-unannotated", folder.shown(path))
    return found


def _image(content: dict[str, Any], source: Path, folder: Folder, scratch: Path) -> Path | None:
    name = str(content.get("imagePath") or source.stem)
    data = content.get("imageData")
    if not data or (source.parent / name.replace("\\", "/")).is_file():
        return folder.image(name, source)
    try:
        inside = base64.b64decode(data)
        suffix = str(open_image(io.BytesIO(inside), name="imageData").format or "png").lower()
    except (ResNeStValueError, binascii.Error, TypeError) as error:
        folder.report.add("image-broken", f"imageData of {folder.shown(source)}: {error}")
        return None
    path = scratch / source.relative_to(folder.root).with_suffix(f".{suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(inside)
    return path


def _objects(content: dict[str, Any], source: Path, folder: Folder, size: tuple[int, int]
             ) -> Iterator[tuple[object, Thing]]:
    report = folder.report
    for place, shape in enumerate(content["shapes"]):
        kind = shape.get("shape_type") or "polygon"
        where = f"{folder.shown(source)}, shape {place + 1}, {kind} {shape.get('label')!r}"
        name = str(shape.get("label") or "").strip()
        points = shape.get("points") or []
        if not all(isinstance(value, (int, float)) and math.isfinite(value)
                   for point in points for value in point) or {*map(len, points)} - {2}:
            report.add("line-form", where)
        elif not name:
            report.add("class-unnamed", where)
        elif name in _IGNORED:
            report.add("class-ignored", where)
        elif kind == "polygon" and len(points) < 3:
            report.add("shape-short", where)
        elif thing := _thing(kind, name, points, shape, where, folder, size):
            yield shape.get("group_id"), thing


def _thing(kind: str, name: str, points: list[list[float]], shape: dict[str, Any], where: str,
           folder: Folder, size: tuple[int, int]) -> Thing | None:
    if kind == "polygon" or kind == "oriented_rectangle" and len(points) == 4:
        return polygon(name, points)
    if kind == "rectangle" and len(points) >= 2:
        return Thing(name, corners(np.min(points, axis=0).tolist(),
                                   np.max(points, axis=0).tolist()))
    if kind == "circle" and len(points) == 2:
        folder.report.add("shape-round", where)
        return polygon(name, ellipse(points[0], [math.dist(*points)] * 2))
    if kind == "mask" and len(points) == 2 and shape.get("mask"):
        try:
            window = np.asarray(open_image(io.BytesIO(base64.b64decode(shape["mask"])),
                                           name="mask").convert("L"))
        except (ResNeStValueError, binascii.Error, TypeError) as error:
            folder.report.add("line-form", f"{where}: {error}")
            return None
        left, top = (round(min(one)) for one in zip(*points))
        mask = mask_of(name, window, left, top, size)
        if mask is None:
            folder.report.add("object-empty", where)
        return mask
    folder.report.add("shape-other", where)
    return None
