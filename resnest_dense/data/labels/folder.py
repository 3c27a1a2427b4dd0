"""The simplest segmentation set: a folder of images, a folder of label PNGs and a class list."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnest_dense.data.text import read_json, read_text
from resnest_dense.errors import ResNeStValueError, listed

__all__ = ["IMAGE_SUFFIXES", "Classes", "find_orphans", "find_pairs", "read_classes"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Classes:
    """The classes of a set."""

    names: tuple[str, ...]  # of class 0, 1, ...
    palette: tuple[tuple[int, int, int], ...] | None = None  # (R, G, B) of each class, 0 to 255


def read_classes(path: str | Path) -> Classes:
    """Classes from a text file with a name a line, or from JSON: a list of names, or an object with
    ``classes`` and maybe ``palette``.

    Raises:
        ResNeStValueError: no such file, one in another encoding than UTF-8 or UTF-16, no class, a
            name twice, a palette that does not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise ResNeStValueError(f"No class list {path}: give a file with a class name a line.")
    palette: Any = None
    if path.suffix.lower() == ".json":
        content = read_json(path)
        if isinstance(content, dict):
            palette, content = content.get("palette"), content.get("classes")
        if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
            raise ResNeStValueError(f"{path}: expected a list of names, or {{\"classes\": [...]}}.")
        names = content
    else:
        names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if not names or len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        wrong = f"twice: {listed(twice)}" if twice else "no class in it"
        raise ResNeStValueError(f"{path}: {wrong}.")
    if palette is not None and (not isinstance(palette, list) or len(palette) != len(names)
                                or not all(map(_is_colour, palette))):
        count = len(palette) if isinstance(palette, list) else "no"
        raise ResNeStValueError(f"{path}: palette has {count} entries for {len(names)} classes; "
                                "give [R, G, B] for each, whole numbers from 0 to 255.")
    return Classes(tuple(names), None if palette is None else tuple(map(tuple, palette)))


def _is_colour(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 3 and all(
        type(value) is int and 0 <= value <= 255 for value in entry)


def find_pairs(images: str | Path, labels: str | Path) -> list[tuple[Path, Path]]:
    """Each image below ``images`` with the PNG of the same relative path below ``labels`` (in any
    Unicode form), sorted; names that begin with a dot, of files or folders, are passed over.

    Raises:
        ResNeStValueError: a folder that is not there, no image, images without a label, two images
            for one label.
    """
    images, labels = Path(images), Path(labels)
    for folder in (images, labels):
        if not folder.is_dir():
            raise ResNeStValueError(f"No folder {folder}.")
    found = _files(images, *IMAGE_SUFFIXES)
    if not found:
        raise ResNeStValueError(f"No image in {images}: it looks for {', '.join(IMAGE_SUFFIXES)}.")
    label_of = {_key(path, labels): path for path in _files(labels, ".png")}
    pairs = [(path, label_of.get(_key(path, images), labels)) for path in found]
    missing = [image for image, label in pairs if label == labels]
    if missing:
        stems = {path.stem: path for path in label_of.values()}
        other = stems.get(missing[0].stem)
        raise ResNeStValueError(
            f"{len(missing)} of {len(pairs)} images in {images} have no label in {labels} (first: "
            f"{listed([path.relative_to(images) for path in missing], most=3)}). A label has its "
            "image's name, ends in .png and is in the same subfolder"
            f"{f'; there is {other.relative_to(labels)}' if other else ''}.")
    image_of: dict[Path, Path] = {}
    for image, label in pairs:
        if image_of.setdefault(label, image) != image:
            raise ResNeStValueError(
                f"{image_of[label]} and {image} have the same label {label}: rename one.")
    return pairs


def find_orphans(images: str | Path, labels: str | Path) -> list[Path]:
    """The PNGs below ``labels`` that :func:`find_pairs` gives to no image, sorted."""
    used = {label for _, label in find_pairs(images, labels)}
    return [path for path in _files(Path(labels), ".png") if path not in used]


def _files(folder: Path, *suffixes: str) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes
                  and not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _key(path: Path, folder: Path) -> str:
    """What an image and its label have in common."""
    place = path.relative_to(folder).with_suffix("").as_posix()
    return unicodedata.normalize("NFC", place)
