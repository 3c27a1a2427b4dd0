"""A detector against the truth, by pycocotools: average precision, and what met what."""

import contextlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from resnest_dense.errors import ResNeStError
from resnest_dense.report.run import InstanceFiles
from resnest_dense.training.record import fingerprint

__all__ = ["IOU", "ImageMatches", "InstanceScores", "measure"]

IOU = 0.5  # from which on a detection has met an object


@dataclass(frozen=True)
class ImageMatches:
    """The D detections of an image against its G objects that are no crowds, at :data:`IOU`.

    Args:
        image: its id.
        found: ids of the detections, by falling score.
        truth: ids of the objects.
        scores: (D,).
        classes: (D,), and ``truth_classes`` (G,): numbers of the classes.
        match: (D,), the object that each has met by COCO's rules, -1 for none.
        ignored: (D,), what counts neither as right nor as wrong, as it lies in a crowd.
        iou: (D, G), whatever the classes.
    """

    image: int
    found: np.ndarray
    truth: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    truth_classes: np.ndarray
    match: np.ndarray
    ignored: np.ndarray
    iou: np.ndarray


class InstanceScores:
    """One kind of output on one set.

    Args:
        truth: pycocotools' set.
        found: its results.
        kind: "bbox", "segm" or "keypoints".
        files: of the set.
    """

    def __init__(self, truth: Any, found: Any, kind: str, files: InstanceFiles):
        from pycocotools.cocoeval import COCOeval

        self.truth, self.found, self.kind, self.files = truth, found, kind, files
        self.limit = 20 if kind == "keypoints" else files.limit  # as COCO's
        with contextlib.redirect_stdout(io.StringIO()):
            self._run = COCOeval(truth, found, kind)
            self._run.params.maxDets = [self.limit]
            if kind == "keypoints" and files.sigmas:
                self._run.params.kpt_oks_sigmas = np.array(files.sigmas)
            self._run.evaluate()
            self._run.accumulate()
        self.sizes = tuple(self._run.params.areaRngLbl)
        self.classes = [truth.cats[number]["name"] for number in self._run.params.catIds]

    def ap(self, *, iou: float | None = None, size: str = "all", of: int | None = None) -> float:
        """Average precision in percent; NaN where there is nothing to find.

        Args:
            iou: 0.5, 0.55, ... 0.95; the mean over them when None.
            size: of the objects.
            of: number of a class; the mean over those that have objects when None.
        """
        return self._mean(self._run.eval["precision"], iou, size, of)

    def recall(self, *, size: str = "all", of: int | None = None) -> float:
        """Average recall, as :meth:`ap`."""
        return self._mean(self._run.eval["recall"], None, size, of)

    def precisions(self, iou: float = IOU, of: int | None = None) -> np.ndarray:
        """The precision, 0 to 1, at recalls of 0, 0.01, ... 1; NaN where nothing is to be found."""
        values = self._run.eval["precision"][self._at(iou), :, :, 0, -1]
        values = np.where(values < 0, np.nan, values)
        seen = values[:, ~np.isnan(values).all(axis=0)] if of is None else values[:, [of]]
        return seen.mean(axis=1) if seen.size else np.full(len(values), np.nan)

    def count(self, *, size: str = "all", of: int | None = None) -> int:
        """Objects that are to be found."""
        low, high = self._run.params.areaRng[self.sizes.index(size)]
        return sum(1 for entry in self.truth.anns.values()
                   if not entry.get("iscrowd") and low <= entry["area"] <= high
                   and (self.kind != "keypoints" or entry.get("num_keypoints"))
                   and (of is None or entry["category_id"] == self._run.params.catIds[of]))

    @cached_property
    def images(self) -> list[ImageMatches]:
        """What met what, image by image; of boxes and masks alone."""
        params = self._run.params
        place = {number: i for i, number in enumerate(params.catIds)}
        parts: dict[int, list[Mapping]] = {number: [] for number in params.imgIds}
        for entry in self._run.evalImgs:
            if entry is not None and entry["aRng"] == params.areaRng[0]:
                parts[entry["image_id"]].append(entry)
        return [self._match(number, entries, place) for number, entries in parts.items()]

    def _match(self, image: int, entries: Sequence[Mapping], place: Mapping[int, int]
               ) -> ImageMatches:
        rows = [(score, number, met, bool(ignored), place[entry["category_id"]])
                for entry in entries for score, number, met, ignored in zip(
                    entry["dtScores"], entry["dtIds"], entry["dtMatches"][0],
                    entry["dtIgnore"][0])]
        rows.sort(key=lambda row: -row[0])
        truth = [number for entry in entries
                 for number, ignored in zip(entry["gtIds"], entry["gtIgnore"]) if not ignored]
        index = {number: i for i, number in enumerate(truth)}
        scores, found, met, ignored, classes = zip(*rows) if rows else ((),) * 5
        return ImageMatches(
            image, np.array(found, int), np.array(truth, int), np.array(scores, float),
            np.array(classes, int),
            np.array([place[self.truth.anns[i]["category_id"]] for i in truth], int),
            # To pycocotools 0 is no object.
            np.array([index.get(int(one), -1) if one and not lost else -1
                      for one, lost in zip(met, ignored)], int),
            np.array(ignored, bool), self._iou(found, truth))

    def _iou(self, found: Sequence[int], truth: Sequence[int]) -> np.ndarray:
        from pycocotools import mask

        if not (found and truth):
            return np.zeros((len(found), len(truth)))
        shapes = ([self.shape(source, number) for number in numbers]
                  for source, numbers in ((self.found, found), (self.truth, truth)))
        return np.asarray(mask.iou(*shapes, [0] * len(truth)))

    def shape(self, source: Any, number: int) -> Any:
        """The box [x, y, w, h] or the run-length code of an entry of the truth or the results."""
        entry = source.anns[number]
        return source.annToRLE(entry) if self.kind == "segm" else entry["bbox"]

    def _mean(self, values: np.ndarray, iou: float | None, size: str, of: int | None) -> float:
        values = values[..., self.sizes.index(size), -1]
        if iou is not None:
            values = values[[self._at(iou)]]
        if of is not None:
            values = values[..., [of]]
        values = values[values > -1]
        return 100 * float(values.mean()) if values.size else float("nan")

    def _at(self, iou: float) -> int:
        return int(np.abs(self._run.params.iouThrs - iou).argmin())


def measure(files: InstanceFiles) -> list[InstanceScores]:
    """The scores of each kind of output that the results have.

    Raises:
        ResNeStError: files that are not there, were changed since, cannot be read or hold nothing.
    """
    from pycocotools.coco import COCO

    if not files.results.is_file():
        raise ResNeStError(f"there are no predictions in {files.results.parent} yet: the run has "
                           "not been evaluated. --eval-only --resume of the training tool does.")
    if not files.truth.is_file():
        raise ResNeStError(f"{files.truth} is not there: put the annotations back, or start in the "
                           "folder in which training was started.")
    if fingerprint(files.truth) != files.fingerprint:
        raise ResNeStError(f"{files.truth} is not what it was when training started: measure "
                           "anew, by the training tool's --eval-only.")
    try:
        results = json.loads(files.results.read_text(encoding="utf-8"))
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(files.truth))
            return [InstanceScores(truth, truth.loadRes(_of_kind(results, kind)), kind, files)
                    for kind in _kinds(results, truth.anns.values())]
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise ResNeStError(f"{files.results} or {files.truth} cannot be read: {error!r}."
                           ) from error


def _kinds(results: Sequence[Mapping], truth: Iterable[Mapping]) -> list[str]:
    """Those that all results have, and all objects that count."""
    objects = [entry for entry in truth if not entry.get("iscrowd")]
    keys = {"bbox": "bbox", "segm": "segmentation", "keypoints": "keypoints"}
    return [kind for kind, key in keys.items() if results and all(
        entry.get(key) for entry in (*results, *objects))]


def _of_kind(results: Sequence[Mapping], kind: str) -> list[dict]:
    """Copies, as loading changes them; the area of a mask is its own, not its box's."""
    others = {"bbox": ("segmentation", "keypoints"), "segm": ("bbox", "keypoints"),
              "keypoints": ("segmentation",)}[kind]
    return [{key: value for key, value in one.items() if key not in others} for one in results]
