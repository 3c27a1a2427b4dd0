"""What a panoptic set implies: semantic labels and instances, written once and kept."""

import itertools
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from resnest_dense.base.files import inside
from resnest_dense.base.progress import progress
from resnest_dense.data.panoptic import reading

__all__ = ["write_instances", "write_stuff_labels"]

_STAMP = "source.json"  # says which annotation file a folder was derived from


def write_stuff_labels(panoptic_json: str | Path, panoptic_root: str | Path, out: str | Path,
                       labels: Mapping[int, int]) -> bool:
    """Writes the semantic labels that Panoptic FPN learns, pixel for pixel those of detectron2's
    ``prepare_panoptic_fpn.py``: 0 on things, a number for each stuff category, 255 elsewhere.

    Args:
        panoptic_json: the annotation file.
        panoptic_root: folder of its PNGs.
        out: folder that gets a PNG of the same name for each; left alone if it holds them already.
        labels: of the stuff categories by id; every other category is a thing.

    Returns:
        Whether anything was written.
    """
    out = Path(out)
    stamp = _stamp_of(panoptic_json, labels=dict(labels))
    if _is_current(out, stamp):
        return False

    def derive(entry: dict) -> None:
        ids = reading.read_segment_ids(os.path.join(panoptic_root, entry["file_name"]))
        semantic = np.full(ids.shape, reading.UNLABELLED, dtype=np.uint8)
        for segment in entry["segments_info"]:
            semantic[ids == segment["id"]] = labels.get(segment["category_id"], 0)
        path = inside(out, entry["file_name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(semantic).save(path, format="PNG")

    entries = reading.load_panoptic_json(panoptic_json)["annotations"]
    with ThreadPoolExecutor() as pool:
        # The list raises what a thread has raised.
        list(progress(pool.map(derive, entries), "PNGs", total=len(entries)))
    (out / _STAMP).write_text(stamp)  # last, so that a folder left half full is written anew
    return True


def write_instances(panoptic_json: str | Path, panoptic_root: str | Path, out: str | Path) -> bool:
    """Writes the thing segments of a panoptic set as a COCO instance file with run-length masks.

    Args:
        panoptic_json: the annotation file.
        panoptic_root: folder of its PNGs.
        out: the file to write; left alone if it is up to date.

    Returns:
        Whether it was written.
    """
    out = Path(out)
    stamp = _stamp_of(panoptic_json)
    if out.is_file() and _is_current(out.parent, stamp):
        return False
    content = reading.load_panoptic_json(panoptic_json)
    things = reading.thing_categories(content["categories"])

    def find_things(entry: dict) -> list[dict]:
        ids = reading.read_segment_ids(os.path.join(panoptic_root, entry["file_name"]))
        return [{"image_id": entry["image_id"], "category_id": segment["category_id"],
                 "iscrowd": segment.get("iscrowd", 0), **_describe(ids == segment["id"])}
                for segment in entry["segments_info"] if segment["category_id"] in things]

    with ThreadPoolExecutor() as pool:
        found = itertools.chain(*progress(pool.map(find_things, content["annotations"]), "PNGs",
                                          total=len(content["annotations"])))
        annotations = [{"id": number, **thing} for number, thing in enumerate(found, start=1)]
    categories = [{"id": number, "name": name} for number, name in things.items()]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"images": content["images"], "annotations": annotations,
                               "categories": categories}))
    (out.parent / _STAMP).write_text(stamp)
    return True


def _describe(mask: np.ndarray) -> dict[str, Any]:
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"area": float(coco_mask.area(encoded)), "bbox": coco_mask.toBbox(encoded).tolist(),
            "segmentation": {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}}


def _stamp_of(panoptic_json: str | Path, **settings: Any) -> str:
    state = os.stat(panoptic_json)
    return json.dumps({"json": str(Path(panoptic_json).resolve()), "bytes": state.st_size,
                       "changed": state.st_mtime_ns, **settings}, sort_keys=True)


def _is_current(folder: Path, stamp: str) -> bool:
    path = folder / _STAMP
    return path.is_file() and path.read_text() == stamp
