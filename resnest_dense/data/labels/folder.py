"""The simplest segmentation set: a folder of images, a folder of label PNGs and a class list."""

import json
from dataclasses import dataclass
from pathlib import Path

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
        ResNeStValueError: no such file, no class, a name twice, a palette that does not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise ResNeStValueError(f"No class list {path}: give a file with a class name a line.")
    text = path.read_text(encoding="utf-8")
    palette = None
    if path.suffix.lower() == ".json":
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise ResNeStValueError(f"{path} is no JSON: {error}.") from None
        if isinstance(content, dict):
            palette, content = content.get("palette"), content.get("classes")
        if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
            raise ResNeStValueError(f"{path}: expected a list of names, or {{\"classes\": [...]}}.")
        names = content
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names or len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        wrong = f"twice: {listed(twice)}" if twice else "no class in it"
        raise ResNeStValueError(f"{path}: {wrong}.")
    if palette is not None and (len(palette) != len(names) or any(len(c) != 3 for c in palette)):
        raise ResNeStValueError(f"{path}: palette has {len(palette)} entries for {len(names)} "
                                "classes; give [R, G, B] for each.")
    return Classes(tuple(names), palette and tuple(map(tuple, palette)))


def find_pairs(images: str | Path, labels: str | Path) -> list[tuple[Path, Path]]:
    """Each image below ``images`` with the PNG of the same relative path below ``labels``, sorted.

    Raises:
        ResNeStValueError: a folder that is not there, no image, images without a label, two images
            for one label.
    """
    images, labels = Path(images), Path(labels)
    for folder in (images, labels):
        if not folder.is_dir():
            raise ResNeStValueError(f"No folder {folder}.")
    found = sorted(p for p in images.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise ResNeStValueError(f"No image in {images}: it looks for {', '.join(IMAGE_SUFFIXES)}.")
    pairs = [(p, labels / p.relative_to(images).with_suffix(".png")) for p in found]
    missing = [image.name for image, label in pairs if not label.is_file()]
    if missing:
        raise ResNeStValueError(f"{len(missing)} of {len(pairs)} images in {images} have no label "
                                f"in {labels} (first: {listed(missing, most=3)}). A label has its "
                                "image's name and ends in .png.")
    for (one, label), (other, same) in zip(pairs, pairs[1:]):
        if label == same:
            raise ResNeStValueError(f"{one} and {other} have the same label {label}: rename one.")
    return pairs


def find_orphans(images: str | Path, labels: str | Path) -> list[Path]:
    """The PNGs below ``labels`` that :func:`find_pairs` gives to no image, sorted."""
    used = {label for _, label in find_pairs(images, labels)}
    return sorted(p for p in Path(labels).rglob("*.png") if p not in used)
