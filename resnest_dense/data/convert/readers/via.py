"""VGG Image Annotator 2 (and 1): a JSON file for many images; sizes are those of the images."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from resnest_dense.data.convert.folder import Folder
from resnest_dense.data.convert.readers.files import read_json
from resnest_dense.data.convert.readers.shapes import ellipse, polygon
from resnest_dense.data.convert.record import Collection, Picture, Thing
from resnest_dense.errors import listed

__all__ = ["read"]

_USUAL = ("class", "label", "name", "type", "category", "object")  # attributes that are the class
_ONLY = "object"  # the class where nothing is named


def _entries(content: Any) -> list[dict[str, Any]]:
    """The images of a project or of an export of annotations; [] for another file."""
    if isinstance(content, dict):
        content = content.get("_via_img_metadata", content)
        entries = list(content.values()) if isinstance(content, dict) else []
        if entries and all(isinstance(one, dict) and {"filename", "regions"} <= {*one}
                           for one in entries):
            return entries
    return []


def read(folder: Folder, sources: list[Path]) -> Collection:
    """The set in a folder with VIA's files."""
    found = Collection(declared=folder.declared())
    for source in sources:
        entries = _entries(read_json(source, folder))
        attribute = _class_attribute(entries, source, folder)
        for entry in entries:
            path = folder.image(str(entry["filename"]), source)
            size = folder.size_of(path) if path else None
            if path is not None and size is not None:
                things = list(_objects(entry, attribute, folder))
                split = folder.split_of(path) or folder.split_of(source)
                found.pictures.append(Picture(path, size, things, split))
    return found


def _regions(entry: dict[str, Any]) -> Iterable[dict[str, Any]]:
    regions = entry["regions"]
    return regions.values() if isinstance(regions, dict) else regions


def _class_attribute(entries: list[dict[str, Any]], source: Path, folder: Folder) -> str:
    """The attribute that names the class; "" where no region has any."""
    regions = [region for entry in entries for region in _regions(entry)]
    counts = Counter(key for region in regions
                     for key, value in (region.get("region_attributes") or {}).items() if value)
    usual = [key for key in counts if key.lower() in _USUAL]
    chosen = usual if len(usual) == 1 else [*counts]
    if len(chosen) > 1:
        folder.report.add("class-attribute", f"{folder.shown(source)}: {listed(chosen)}")
    if regions and not chosen:
        folder.report.add("class-none", folder.shown(source), len(regions))
    return chosen[0] if chosen else ""


def _objects(entry: dict[str, Any], attribute: str, folder: Folder) -> Iterator[Thing]:
    for place, region in enumerate(_regions(entry)):
        shape = region.get("shape_attributes") or {}
        value = (region.get("region_attributes") or {}).get(attribute)
        if isinstance(value, dict):  # boxes that are ticked
            value = next((key for key, ticked in value.items() if ticked), "")
        name = str(value or "").strip() if attribute else _ONLY
        where = f"{entry['filename']}, region {place + 1}, {shape.get('name')} {name!r}"
        if not name:
            folder.report.add("class-unnamed", where)
            continue
        try:
            thing = _thing(shape, name, where, folder)
        except (KeyError, TypeError, ValueError) as error:
            folder.report.add("line-form", f"{where}: {error!r}")
            continue
        if thing is not None:
            yield thing


def _thing(shape: dict[str, Any], name: str, where: str, folder: Folder) -> Thing | None:
    kind = shape.get("name")
    if kind == "rect":
        return Thing(name, [float(shape[key]) for key in ("x", "y", "width", "height")])
    if kind == "polygon":
        points = list(zip(shape["all_points_x"], shape["all_points_y"], strict=True))
        if len(points) >= 3:
            return polygon(name, points)
        folder.report.add("shape-short", where)
        return None
    if kind in ("circle", "ellipse"):
        folder.report.add("shape-round", where)
        radii = [shape["r"]] * 2 if kind == "circle" else [shape["rx"], shape["ry"]]
        center = shape["cx"], shape["cy"]
        # VIA 2 turns ellipses by radians.
        return polygon(name, ellipse(center, radii, math.degrees(shape.get("theta", 0))))
    folder.report.add("shape-other", where)
    return None
