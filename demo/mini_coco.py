"""The embedded miniature COCO set: drawn photos of toys in the exact COCO format.

It exists so that training and evaluation can be tried and tested without a download. As in COCO,
toys hide parts of each other, masks are polygons of the visible part (several where a toy is cut in
pieces), crowds are run-length coded regions, category ids have gaps, and some images are empty.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from demo.scenes import Toy, draw_scene
from demo.toys import CATEGORIES, SUPERSAMPLING
from resnest_dense.errors import ResNeStValueError

__all__ = ["MiniCoco", "write_mini_coco"]

# Of each 20 images one has a crowd, one is empty and four have a large toy.
_PERIOD, _CROWD, _EMPTY, _LARGE = 20, 0, 1, (2, 7, 12, 17)
_LEAST_PIECE = 1.0  # square pixel; smaller specks of a cut toy get no polygon
_DATE = "2020-01-01"


@dataclass(frozen=True)
class MiniCoco:
    """Where a miniature COCO set lies."""

    train_json: Path
    train_images: Path
    val_json: Path
    val_images: Path


def write_mini_coco(root: str | Path, *, train: int = 400, val: int = 80,
                    size: tuple[int, int] = (160, 128), seed: int = 0) -> MiniCoco:
    """Draw the set and write it below ``root``, over what an earlier call has left there.

    The same arguments give the same bytes (with the same cv2); image i depends on size, seed, split
    and i alone. A split's annotations are removed first and written last: where they are, all of
    its images are.

    Args:
        root: gets ``annotations/instances_{train,val}.json`` and ``{train,val}/*.jpg``.
        train: number of training images.
        val: number of validation images.
        size: (width, height) of every image in pixels; toys grow with the shorter one.
        seed: another one draws other images.

    Raises:
        ResNeStValueError: fewer than 3 images in a split, a side below 64, a negative seed.
    """
    limits = {"train": (train, 3), "val": (val, 3), "size": (min(size), 64), "seed": (seed, 0)}
    for name, (value, least) in limits.items():
        if value < least:
            raise ResNeStValueError(
                f"{name} has {value} in write_mini_coco; the least that it takes is {least}."
            )
    root = Path(root)
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    paths = []
    for stream, (split, count) in enumerate({"train": train, "val": val}.items()):
        folder, annotations = root / split, root / "annotations" / f"instances_{split}.json"
        annotations.unlink(missing_ok=True)
        content = _draw_split(folder, count, size, seeds=(seed, stream))
        annotations.write_text(json.dumps(content), encoding="utf-8")
        paths += [annotations, folder]
    return MiniCoco(*paths)


def _draw_split(folder: Path, count: int, size: tuple[int, int], *,
                seeds: tuple[int, int]) -> dict:
    """Write the images of one split; returns the content of its annotation file."""
    folder.mkdir(exist_ok=True)
    images, annotations = [], []
    for index in range(count):
        rng = np.random.default_rng([*seeds, index])
        phase = index % _PERIOD
        spans = [] if phase == _EMPTY else _spans(rng, min(size), large=phase in _LARGE)
        scene = draw_scene(rng, size, spans=spans, crowd=phase == _CROWD)
        image_id = index + 1
        name = f"{image_id:012d}.jpg"
        quality = int(rng.integers(85, 96))
        jpeg = cv2.imencode(".jpg", scene.photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        (folder / name).write_bytes(jpeg.tobytes())
        images.append({"id": image_id, "file_name": name, "width": size[0], "height": size[1],
                       "license": 1, "date_captured": f"{_DATE} 00:00:00"})
        for toy in scene.toys:
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **_annotate(toy)})
    return {**_header(), "images": images, "annotations": annotations}


def _spans(rng: np.random.Generator, side: int, *, large: bool) -> list[float]:
    """Widths of an image's toys in pixels, from back to front; most are 0.2 to 0.6 of the side."""
    spans = list(side * rng.uniform(0.2, 0.62, rng.integers(2, 7)))
    return [side * rng.uniform(1.0, 1.2), *spans[:2]] if large else spans


def _annotate(toy: Toy) -> dict:
    height, width = (side // SUPERSAMPLING for side in toy.mask.shape)
    if toy.crowd:
        coverage = cv2.resize(toy.mask.astype(np.float32), (width, height),
                              interpolation=cv2.INTER_AREA)
        segmentation = {"size": [height, width], "counts": _run_lengths(coverage > 0.5)}
        encoded = coco_mask.frPyObjects(segmentation, height, width)
    else:
        segmentation = _polygons(toy.mask.astype(np.uint8))
        encoded = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    return {"category_id": toy.category.id, "iscrowd": int(toy.crowd), "segmentation": segmentation,
            "area": float(coco_mask.area(encoded)), "bbox": coco_mask.toBbox(encoded).tolist()}


def _polygons(mask: np.ndarray, *, left: int = 0) -> list[list[float]]:
    """Outlines [x, y, x, y, ...] in image pixels of a mask that begins ``left`` mask pixels in.

    COCO's polygons have no holes: a mask with one is cut there, into two parts without.
    """
    outlines, levels = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    polygons = []
    for outline, (_, _, _, parent) in zip(outlines, levels[0] if outlines else ()):
        column, _, width, _ = cv2.boundingRect(outline)
        if parent >= 0 and width > 2 * SUPERSAMPLING:
            # At a whole image pixel: the cut then costs no pixel when the parts are drawn again.
            cut = (left + column + width // 2) // SUPERSAMPLING * SUPERSAMPLING - left
            return (_polygons(mask[:, :cut], left=left)
                    + _polygons(mask[:, cut:], left=left + cut))
        outline = cv2.approxPolyDP(outline, 1.0, True)
        if parent < 0 and cv2.contourArea(outline) >= _LEAST_PIECE * SUPERSAMPLING**2:
            points = (outline[:, 0] + (left + 0.5, 0.5)) / SUPERSAMPLING
            polygons.append(points.round(2).ravel().tolist())
    return polygons


def _run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed counts: lengths of runs down the columns, background first."""
    column_major = mask.ravel(order="F").astype(np.int8)
    changes = np.flatnonzero(np.diff(column_major, prepend=0))
    return np.diff(changes, prepend=0, append=mask.size).tolist()


def _header() -> dict:
    return {
        "info": {"description": "Drawn miniature of COCO", "version": "1.0", "year": 2020,
                 "contributor": "resnest_dense", "url": "", "date_created": _DATE},
        "licenses": [{"id": 1, "name": "Public domain", "url": ""}],
        "categories": [{"id": category.id, "name": category.name, "supercategory": "toy"}
                       for category in CATEGORIES],
    }
