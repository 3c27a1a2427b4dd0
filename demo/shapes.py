"""Photos of red boxes and blue discs, which a small network learns in half a minute: as Pascal VOC
writes them, and as images with label PNGs. The notebooks of docs/ train on them.
"""

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["CLASSES", "write_label_shapes", "write_voc_shapes"]

CLASSES = ("ground", "box", "disc")
_COLOURS = {"box": (200, 30, 30), "disc": (30, 40, 210)}
_SIZE = (128, 96)  # width, height
Shape = tuple[str, int, int, int]  # class, left, top, side


def write_voc_shapes(root: str | Path, count: int = 60, *, seed: int = 0) -> Path:
    """A folder as Pascal VOC lays it out: ``JPEGImages`` and ``Annotations``, without a split."""
    root = Path(root)
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        photo, _, shapes = _draw(np.random.default_rng([seed, number]))
        name = f"photo{number:03}.jpg"
        photo.save(root / "JPEGImages" / name, quality=95)
        (root / f"Annotations/{Path(name).stem}.xml").write_text(_xml(name, shapes))
    return root


def write_label_shapes(root: str | Path, *, train: int = 48, val: int = 12, seed: int = 0) -> Path:
    """``images/train``, ``labels/train``, the same for val, and ``classes.txt``."""
    root = Path(root)
    for stream, (split, count) in enumerate({"train": train, "val": val}.items()):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            photo, labels, _ = _draw(np.random.default_rng([seed, stream, number]))
            photo.save(root / f"images/{split}/photo{number:03}.jpg", quality=95)
            labels.save(root / f"labels/{split}/photo{number:03}.png")
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return root


def _draw(rng: np.random.Generator) -> tuple[Image.Image, Image.Image, list[Shape]]:
    """A photo, its labels and its shapes, none of which touch: one in each half."""
    width, height = _SIZE
    photo = Image.fromarray(rng.integers(90, 140, (height, width, 3), dtype=np.uint8))
    labels, shapes = Image.new("L", _SIZE), []
    for half, name in enumerate(rng.permutation(["box", "disc"])):
        side = int(rng.integers(24, 48))
        x = half * width // 2 + int(rng.integers(2, width // 2 - side - 2))
        y = int(rng.integers(2, height - side - 2))
        ends = (x, y, x + side - 1, y + side - 1)
        for picture, colour in ((photo, _COLOURS[name]), (labels, CLASSES.index(name))):
            pen = ImageDraw.Draw(picture)
            (pen.rectangle if name == "box" else pen.ellipse)(ends, fill=colour)
        shapes.append((str(name), x, y, side))
    return photo, labels, shapes


def _xml(name: str, shapes: list[Shape]) -> str:
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
        f"<xmax>{x + side}</xmax><ymax>{y + side}</ymax></bndbox></object>"
        for label, x, y, side in shapes)
    return (f"<annotation><filename>{escape(name)}</filename><size><width>{_SIZE[0]}</width>"
            f"<height>{_SIZE[1]}</height><depth>3</depth></size>{objects}</annotation>\n")
