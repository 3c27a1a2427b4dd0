"""YOLO: a text file an image, a line an object, in shares of the image's width and height.

A line is a class number and the centre x, y, width, height of a box, or the class and the points of
an outline (Ultralytics' documentation of its detection and segmentation data sets).
"""

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from resnest_dense.data.convert.folder import Folder, split_named
from resnest_dense.data.convert.readers.shapes import polygon
from resnest_dense.data.convert.record import SPLITS, Collection, Picture, Thing
from resnest_dense.data.text import read_text
from resnest_dense.errors import ResNeStValueError, listed

__all__ = ["CLASS_LISTS", "label_files", "read"]

CLASS_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt", "names.txt")
_SLACK = 0.01  # beyond 0 and 1, of rounding


def label_files(folder: Folder) -> list[Path]:
    """The text files that have the name of an image."""
    return [path for path in folder.ending(".txt")
            if path.name not in CLASS_LISTS and folder.has_image(path.stem)]


def read(folder: Folder, sources: list[Path]) -> Collection:
    """The set in a folder of YOLO's text files, with ``data.yaml`` or a list of classes."""
    settings, source = _read_yaml(folder)
    names = _names(folder, settings, source)
    found = Collection(classes={name: {} for name in names}, declared=folder.declared())
    splits = _splits(folder, settings, source, found)
    text_of = {folder.image_of(text): text for text in sources}
    for path in folder.images:
        size = folder.size_of(path)
        if size is None:
            continue
        text = text_of.get(path)
        things = list(_objects(text, folder, names, size)) if text else []
        if text is None:
            folder.report.add("image-background", folder.shown(path))
        found.pictures.append(Picture(path, size, things, splits.get(path, "") if splits
                                      else folder.split_of(path)))
    return found


def _read_yaml(folder: Folder) -> tuple[dict[str, Any], Path | None]:
    import yaml  # type: ignore[import-untyped]

    for path in folder.ending(".yaml", ".yml"):
        try:
            content = yaml.safe_load(read_text(path))
        except yaml.YAMLError as error:
            said = " ".join(str(error).split())
            folder.report.add("file-broken", f"{folder.shown(path)}: {said}")
            continue
        if isinstance(content, dict) and "names" in content:
            return content, path
    return {}, None


def _names(folder: Folder, settings: dict[str, Any], source: Path | None) -> list[str]:
    given = settings.get("names")
    if isinstance(given, dict):
        whole = sorted(int(key) for key in given if str(key).isdigit())
        if whole != list(range(len(given))):
            folder.report.add("class-list", f"{source and folder.shown(source)}: names of numbers "
                              f"{listed(given)}, not 0 to {len(given) - 1}")
            return []
        given = [given[key] for key in sorted(given, key=int)]
    if source is not None and isinstance(given, list):
        count = settings.get("nc", len(given))
        if count != len(given):
            folder.report.add("class-list", f"{folder.shown(source)}: nc is {count}, with "
                              f"{len(given)} names")
        return [str(name).strip() for name in given]
    for path in folder.files:
        if path.name in CLASS_LISTS:
            return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    folder.report.add("class-list", f"neither data.yaml with names nor {' nor '.join(CLASS_LISTS)}")
    return []


def _splits(folder: Folder, settings: dict[str, Any], source: Path | None, found: Collection
            ) -> dict[Path, str]:
    """The split of each image that ``data.yaml`` names one for."""
    splits: dict[Path, str] = {}
    for key in settings:
        split = split_named(str(key))
        places = settings[key] if isinstance(settings[key], list) else [settings[key]]
        if source is None or split not in SPLITS or not any(places):
            continue
        found.declared[split] = f"{key}: {listed(places)} in {folder.shown(source)}"
        for place in places:
            for path in _images_at(str(place), folder, source):
                if splits.setdefault(path, split) != split:
                    folder.report.add("split-shared", f"{folder.shown(path)}: in {splits[path]} "
                                      f"and {split} of {folder.shown(source)}")
    return splits


def _images_at(place: str, folder: Folder, source: Path) -> Iterator[Path]:
    """The images of a folder, or of a text file with their names, that ``data.yaml`` names.

    Exports have ``../train/images`` there for a folder beside the file, and folders of the machine
    that they were made on: the end of the path counts."""
    parts = [part for part in PurePosixPath(place.replace("\\", "/")).parts if part not in
             ("..", ".", "/")]
    for start in range(len(parts)):
        for base in (source.parent, folder.root):
            target = base.joinpath(*parts[start:])
            if target.is_dir():
                yield from (path for path in folder.images if path.is_relative_to(target))
                return
            if target.is_file():
                for line in read_text(target).splitlines():
                    path = folder.image(line.strip(), target) if line.strip() else None
                    if path is not None:
                        yield path
                return


def _objects(source: Path, folder: Folder, names: list[str], size: tuple[int, int]
             ) -> Iterator[Thing]:
    try:
        lines = read_text(source).splitlines()
    except ResNeStValueError as error:
        folder.report.add("file-broken", str(error))
        return
    for place, line in enumerate(lines):
        if not line.strip():
            continue
        where = f"{folder.shown(source)}, line {place + 1}: {line.strip()[:60]}"
        try:
            number, *values = map(float, line.split())
        except ValueError:
            folder.report.add("line-form", where)
            continue
        if len(values) != 4 and (len(values) < 6 or len(values) % 2) or not number.is_integer():
            folder.report.add("line-form", where)
        elif not all(map(math.isfinite, values)) or (
                min(values) < -_SLACK or max(values) > 1 + _SLACK):
            folder.report.add("box-share", where)
        elif not 0 <= number < len(names):
            folder.report.add("class-number", f"{where}, of {len(names)} names")
        else:
            yield _thing(names[int(number)], values, size)


def _thing(name: str, values: list[float], size: tuple[int, int]) -> Thing:
    scaled = [value * size[place % 2] for place, value in enumerate(values)]
    if len(values) > 4:
        return polygon(name, list(zip(scaled[::2], scaled[1::2])))
    x, y, width, height = scaled
    return Thing(name, [x - width / 2, y - height / 2, width, height])
