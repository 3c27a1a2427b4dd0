"""Detections in files: a picture of each image, and COCO's formats."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from resnest_dense.data.inputs import ImageFile
from resnest_dense.data.results import JsonList, WriteFound, save_picture

__all__ = ["ClassNames", "Described", "open_detections"]


class ClassNames(Protocol):
    """Category ids and names in the order of the network's outputs, of things and of stuff; the
    first of the stuff stands for all things."""

    @property
    def ids(self) -> Sequence[int]: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def stuff_ids(self) -> Sequence[int]: ...
    @property
    def stuff_names(self) -> Sequence[str]: ...


class Described(NamedTuple):
    """What was found in an image."""

    picture: Image.Image
    results: list[dict]  # COCO's
    segments: tuple[np.ndarray, list[dict]] | None  # panoptic ids (H, W), detectron2's infos


@contextmanager
def open_detections(classes: ClassNames, out: str | Path,
                    describe: Callable[[Any, np.ndarray, int], Described]) -> Iterator[WriteFound]:
    """A function that writes what was found in an image into the folder ``out``: an image ``a.jpg``
    gives the picture ``a.png``, and all give ``detections.json``, a list of COCO-format results
    with ``file_name`` beside ``image_id``. A panoptic model also gives ``panoptic.json`` and
    ``panoptic/a.png`` in COCO's format.

    Args:
        describe: of what was found, the image and its number.
    """
    folder = Path(out)
    results = JsonList(folder / "detections.json")
    panoptic: list[JsonList] = []  # one, once there is a panoptic output
    names: list[dict] = []

    def write(found: Any, image: np.ndarray, file: ImageFile, number: int) -> None:
        told, name = describe(found, image, number), f"{file.stem}.png"
        save_picture(told.picture, folder / name)
        results.add({"file_name": file.name, **entry} for entry in told.results)
        if told.segments is not None:
            if not panoptic:
                panoptic.append(JsonList(folder / "panoptic.json", '{"annotations": ['))
            ids, infos = told.segments
            # COCO's coding: id = R + 256 G + 65536 B.
            coded = np.stack([ids // 256 ** i % 256 for i in range(3)], axis=2)
            save_picture(Image.fromarray(coded.astype(np.uint8)), folder / "panoptic" / name)
            panoptic[0].add([{
                "image_id": number, "file_name": name,
                "segments_info": [_segment(ids == info["id"], info, classes) for info in infos]}])
            names.append({"id": number, "file_name": file.name})

    try:
        yield write
    finally:
        results.close()
        for entries in panoptic:
            about = {"images": names, "categories": _categories(classes)}
            entries.close(f"\n], {json.dumps(about)[1:]}\n")


def _segment(mask: np.ndarray, info: dict, classes: ClassNames) -> dict:
    ids = classes.ids if info["isthing"] else classes.stuff_ids
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    box = [int(one) for one in (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)]
    score = {"score": info["score"]} if "score" in info else {}
    return {"id": info["id"], "category_id": ids[info["category_id"]], "area": int(mask.sum()),
            "bbox": box, "iscrowd": 0, **score}


def _categories(classes: ClassNames) -> list[dict]:
    things = [(i, name, 1) for i, name in zip(classes.ids, classes.names)]
    stuff = [(i, name, 0) for i, name in zip(classes.stuff_ids, classes.stuff_names)][1:]
    return [{"id": i, "name": name, "isthing": kind} for i, name, kind in things + stuff]
