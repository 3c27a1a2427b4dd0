"""Pascal VOC: an XML file an image.

In the format's own definition (VOC2012 devkit) pixels count from 1 and both ends belong to the box.
Many tools count from 0 and write the far ends outside: a 0 in any file of a set shows that.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from resnest_dense.data.convert.folder import Folder, split_named
from resnest_dense.data.convert.readers.files import children_numbers, number, read_xml, whole
from resnest_dense.data.convert.record import Collection, Picture, Thing
from resnest_dense.data.text import read_text

__all__ = ["read"]

_ENDS = ("xmin", "ymin", "xmax", "ymax")


def read(folder: Folder, sources: list[Path]) -> Collection:
    """The set in a folder of VOC's XML files; ``ImageSets`` and folder names give its splits."""
    found = Collection(declared=folder.declared())
    lists = dict(_lists(folder, found))
    used: set[Path] = set()
    for source in sources:
        root = read_xml(source, folder)
        if root is None:
            continue
        path = folder.image(root.findtext("filename") or source.stem, source)
        if path is None:
            continue
        used.add(path)
        # Tools that have not opened the image write 0.
        size = folder.size_of(path, *(whole(root.findtext(f"size/{side}"))
                                      for side in ("width", "height")))
        if size is not None:
            split = lists.get(source.stem, "") if lists else folder.split_of(path)
            found.pictures.append(Picture(path, size, list(_objects(root, source, folder)), split))
    for path in folder.images:
        if path not in used and not {"SegmentationClass", "SegmentationObject"} & {*path.parts}:
            folder.report.add("image-unannotated", folder.shown(path))
    _count_from_1(found, folder)
    return found


def _lists(folder: Folder, found: Collection) -> Iterator[tuple[str, str]]:
    """Stems of the images in ImageSets/Main with their splits."""
    for path in folder.ending(".txt"):
        split = split_named(path.stem)
        if split and path.parent.name == "Main" and path.parent.parent.name == "ImageSets":
            found.declared[split] = folder.shown(path)
            for line in read_text(path).splitlines():
                if line.strip():
                    yield line.split()[0], split


def _objects(root: ElementTree.Element, source: Path, folder: Folder) -> Iterator[Thing]:
    for place, entry in enumerate(root.iter("object")):
        where = f"{folder.shown(source)}, object {place + 1}"
        name = (entry.findtext("name") or "").strip()
        ends = [number(entry.findtext(f"bndbox/{end}")) for end in _ENDS]
        if not name:
            folder.report.add("class-unnamed", where)
        elif not all(map(math.isfinite, ends)):
            folder.report.add("line-form", f"{where}: bndbox without numbers")
        else:
            if number(entry.findtext("difficult")) == 1:
                folder.report.add("object-difficult", where)
            if entry.find("part") is not None:
                folder.report.add("shape-other", f"{where}: its parts")
            outlines = [values for one in entry.iter("polygon")
                        if len(values := children_numbers(one)) >= 6]
            yield Thing(name, ends, outlines)


def _count_from_1(found: Collection, folder: Folder) -> None:
    """Turns the ends of the boxes into x, y, width, height."""
    things = [(picture, thing) for picture in found.pictures for thing in picture.things]
    zero = [picture for picture, thing in things if min(thing.box[:2]) < 1]
    if zero:
        folder.report.add("voc-from-0", folder.shown(zero[0].path), len(zero))
    first, last = (0, 0) if zero else (1, 1)
    for _, thing in things:
        left, top, right, bottom = thing.box
        thing.box = [left - first, top - first, right - left + last, bottom - top + last]
        thing.polygons = [[value - first for value in one] for one in thing.polygons]
