"""What was found as JSON: areas with a name and a colour, which a page can draw and filter."""

import numpy as np

from resnest_dense.data.coco.rle import encode_rle
from resnest_dense.runtime.contract import Classes
from resnest_dense.runtime.draw import palette_of
from resnest_dense.runtime.results import Detections, Found, Labels

__all__ = ["describe"]


def describe(found: Found, classes: Classes) -> list[dict]:
    """One object an area, all with ``name``, ``category_id`` and ``color``: a detection has what
    COCO's results have (``bbox``, ``score``, ``segmentation``, ``keypoints``), a segment or a class
    of pixels ``segmentation`` and its ``share`` of the image."""
    if isinstance(found, Labels):
        return [_area(found.pixels == label, label, classes) for label in np.unique(found.pixels)]
    if found.segments is not None:
        return [{**_area(found.segments.ids == info["id"], info["category_id"], classes,
                         stuff=not info["isthing"]),
                 **({"score": info["score"]} if "score" in info else {})}
                for info in found.segments.infos]
    return _objects(found, classes)


def _objects(found: Detections, classes: Classes) -> list[dict]:
    colours = palette_of(classes)
    entries = found.coco(classes, 0)
    for entry, label in zip(entries, found.classes.tolist()):
        del entry["image_id"]
        entry |= {"name": classes.names[label], "color": colours[label]}
    return entries


def _area(mask: np.ndarray, label: int, classes: Classes, *, stuff: bool = False) -> dict:
    counts = encode_rle(mask, 0, 0, mask.shape)
    ids, names = ((classes.stuff_ids, classes.stuff_names) if stuff else
                  (classes.ids, classes.names))
    return {"name": names[label], "category_id": ids[label],
            "color": palette_of(classes, stuff=stuff)[label],
            "share": round(float(mask.mean()), 6),
            "segmentation": {"size": list(mask.shape), "counts": counts}}
