"""The PNGs of a COCO panoptic set, of the right size and with the colours of their segments, and
semantic labels made from them."""

import functools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from resnest_dense.base.progress import progress
from resnest_dense.data.coco.report import CocoReport
from resnest_dense.data.panoptic.reading import UNLABELLED, name_segment, read_segment_ids
from resnest_dense.errors import ResNeStValueError

__all__ = ["check_pngs", "check_stuff"]

_Size = tuple[int, int] | None  # width and height that the JSON says; None for an unknown image
_Faults = Iterator[tuple[str, str]]  # kind, example


def check_pngs(report: CocoReport, annotations: list[dict], images: list[dict],
               panoptic_root: str | Path, limit: int | None = None) -> None:
    """Reads the PNG of each annotation and compares it with image and segments.

    Args:
        annotations: the section; entries without a file_name are passed over.
        panoptic_root: folder that ``file_name`` starts from.
        limit: read at most so many, evenly spread; None reads all. All must exist.
    """
    if Path(panoptic_root).is_dir():
        _check_files(report, annotations, images, panoptic_root, limit, "png-missing", _faults)
    else:
        report.add("png-folder", str(panoptic_root))


def check_stuff(report: CocoReport, annotations: list[dict], images: list[dict],
                stuff_root: str | Path, stuff_count: int, limit: int | None = None) -> None:
    """Reads the semantic labels of each annotation, a PNG of the same name in another folder.

    Args:
        stuff_root: folder of the labels.
        stuff_count: of the stuff categories; the other arguments are those of :func:`check_pngs`.
    """
    faults = functools.partial(_stuff_faults, stuff_count=stuff_count)
    _check_files(report, annotations, images, stuff_root, limit, "stuff-missing", faults)


def _check_files(report: CocoReport, annotations: list[dict], images: list[dict],
                 root: str | Path, limit: int | None, missing: str,
                 faults: Callable[[str, dict, _Size], _Faults]) -> None:
    sizes = {image.get("id"): (image.get("width"), image.get("height")) for image in images}
    present = []
    for entry in annotations:
        if isinstance(entry.get("file_name"), str) and entry["file_name"]:
            path = os.path.join(root, entry["file_name"])
            if os.path.isfile(path):
                present.append((path, entry, sizes.get(entry.get("image_id"))))
            else:
                report.add(missing, f"image id {entry.get('image_id')!r}: no file {path}")
    step = max(1, -(-len(present) // limit)) if limit else 1
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda file: list(faults(*file)), present[::step])
        told = progress(found, "PNGs", total=len(present[::step]))
        for kind, example in chain.from_iterable(told):
            report.add(kind, example)


def _faults(path: str, entry: dict, size: _Size) -> _Faults:
    try:
        ids = read_segment_ids(path)
    except (ResNeStValueError, OSError, SyntaxError) as error:
        refused = isinstance(error, ResNeStValueError)
        yield "png-mode" if refused else "png-unreadable", f"{path}: {error}"
        return
    yield from _size_faults("png-size", path, ids, size)
    areas = dict(zip(*(values.tolist() for values in np.unique(ids, return_counts=True))))
    if areas.pop(0, 0) == ids.size:  # 0 is unlabelled
        yield "png-void", path
    known = {segment.get("id"): segment for segment in entry["segments_info"]}
    for segment_id in areas.keys() - known.keys():
        blue, green, red = segment_id >> 16, segment_id >> 8 & 255, segment_id & 255
        yield ("png-colour-unknown", f"{path}: {areas[segment_id]} pixels of ({red}, {green}, "
                                     f"{blue}), id {segment_id}")
    for segment_id, segment in known.items():
        where = name_segment(entry, segment_id)
        if segment_id not in areas:
            yield "segment-unseen", where
        elif segment.get("area") != areas[segment_id]:
            yield ("segment-area",
                   f"{where}: area={segment.get('area')!r}, {areas[segment_id]} pixels")


def _stuff_faults(path: str, entry: dict, size: _Size, *, stuff_count: int) -> _Faults:
    try:
        with Image.open(path) as picture:
            if picture.mode != "L":
                yield "stuff-mode", f"{path}: mode {picture.mode}"
                return
            labels = np.asarray(picture)
    except (OSError, SyntaxError) as error:
        yield "stuff-missing", f"{path}: {error}"
        return
    beyond = labels[(labels > stuff_count) & (labels != UNLABELLED)]
    if beyond.size:
        yield ("stuff-label",
               f"{path} has {beyond.max()}, and there are {stuff_count} stuff categories")
    yield from _size_faults("stuff-size", path, labels, size)


def _size_faults(kind: str, path: str, pixels: np.ndarray, size: _Size) -> _Faults:
    height, width = pixels.shape
    if size is not None and size != (width, height):
        yield kind, f"{path} is {width}x{height}, the JSON says {size[0]}x{size[1]}"
