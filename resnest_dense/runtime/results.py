"""What a model has found in an image, in pixels of that image, and as COCO's formats put it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from resnest_dense.data.coco.rle import encode_rle
from resnest_dense.runtime.contract import Classes, Panoptic
from resnest_dense.runtime.maps import Mask

__all__ = ["Detections", "Found", "Labels", "Segments", "combine"]


class Segments(NamedTuple):
    """A panoptic map: 0 where nothing is."""

    ids: np.ndarray  # (H, W) int32
    infos: list[dict]  # of each segment: id, isthing, category_id (of the network), score or area


@dataclass(frozen=True)
class Detections:
    """Objects, the surest first."""

    size: tuple[int, int]  # height, width of the image
    boxes: np.ndarray  # (K, 4) float32 x0 y0 x1 y1
    scores: np.ndarray  # (K,)
    classes: np.ndarray  # (K,) indices
    masks: list[Mask] | None = None
    keypoints: np.ndarray | None = None  # (K, J, 3) x, y, score
    segments: Segments | None = None

    def coco(self, classes: Classes, image_id: int) -> list[dict]:
        """Results in COCO's format."""
        corners, sizes = self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]
        found = [
            {"image_id": image_id, "category_id": classes.ids[label], "bbox": box, "score": score}
            for label, box, score in zip(self.classes, np.hstack([corners, sizes]).tolist(),
                                         self.scores.tolist())]
        for entry, mask in zip(found, self.masks or ()):
            entry["segmentation"] = {"size": list(self.size), "counts": encode_rle(
                mask.window, mask.top, mask.left, self.size)}
        if self.keypoints is not None:
            # COCO counts pixels, and detectron2 their upper left corners.
            moved = self.keypoints - np.array([0.5, 0.5, 0], np.float32)
            for entry, points in zip(found, moved.reshape(len(found), -1).tolist()):
                entry["keypoints"] = points
        return found


@dataclass(frozen=True)
class Labels:
    """The class of each pixel."""

    pixels: np.ndarray  # (H, W) uint8, indices of classes

    def shares(self, classes: Classes) -> dict[str, float]:
        """The share of the pixels that each class has, of those that occur."""
        counts = np.bincount(self.pixels.ravel(), minlength=len(classes.names))
        return {name: round(int(count) / self.pixels.size, 6)
                for name, count in zip(classes.names, counts) if count}


Found = Detections | Labels


def combine(found: Detections, stuff: np.ndarray, rules: Panoptic) -> Segments:
    """Things over stuff, as detectron2 puts them together.

    Args:
        found: with masks.
        stuff: class of each pixel, (H, W); 0 stands for all things.
    """
    ids = np.zeros(found.size, np.int32)
    infos: list[dict] = []
    for score, label, mask in zip(found.scores.tolist(), found.classes.tolist(), found.masks or ()):
        if score < rules.score:
            break
        height, width = mask.window.shape
        there = ids[mask.top:mask.top + height, mask.left:mask.left + width]
        free = mask.window & (there == 0)
        if not free.any() or 1 - free.sum() / mask.window.sum() > rules.overlap:
            continue
        infos.append({"id": len(infos) + 1, "isthing": True, "score": score, "category_id": label})
        there[free] = len(infos)
    for label in np.unique(stuff[ids == 0]).tolist():
        free = (stuff == label) & (ids == 0)
        if label and (area := int(free.sum())) >= rules.stuff_area:
            infos.append({"id": len(infos) + 1, "isthing": False, "category_id": label,
                          "area": area})
            ids[free] = len(infos)
    return Segments(ids, infos)
