"""Pixel accuracy and mean IoU over a whole set, from the areas of each class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnest_dense.base.progress import progress
from resnest_dense.data.images import read_values
from resnest_dense.data.labels.folder import find_pairs
from resnest_dense.errors import ResNeStValueError, listed

__all__ = ["SegmentationScores", "areas", "describe_coverage", "read_label", "score_areas",
           "score_folders"]


@dataclass(frozen=True)
class SegmentationScores:
    """Scores of a set, as shares of 1."""

    pixel_accuracy: float  # labelled pixels that are right
    mean_accuracy: float  # right share of each class's pixels, averaged over labelled classes
    mean_iou: float  # over the classes seen in labels or predictions (MMSegmentation, detectron2)
    mean_iou_all: float  # over all classes, those not seen as 0 (PyTorch-Encoding)
    iou: np.ndarray  # intersection over union of each class; NaN where it was not seen
    labelled: np.ndarray  # pixels of each class in the labels
    ignored: int = 0  # pixels that count nowhere


def areas(prediction: np.ndarray, label: np.ndarray, classes: int, *,
          ignore_label: int = 255) -> np.ndarray:
    """Pixels of each class in the intersection, the prediction and the label: (3, classes).

    Args:
        prediction: class of each pixel, (H, W).
        label: class or ``ignore_label`` of each pixel, (H, W); pixels ignored count nowhere.
        classes: number of classes; another predicted value is of no class, and wrong.

    Raises:
        ResNeStValueError: sizes that differ, or a label that is no class.
    """
    if prediction.shape != label.shape:
        raise ResNeStValueError(f"prediction is {prediction.shape}, its label {label.shape}.")
    prediction, label = (x[label != ignore_label].astype(np.int64) for x in (prediction, label))
    if label.size and not 0 <= label.min() <= label.max() < classes:
        raise ResNeStValueError(f"label values from {label.min()} to {label.max()}, and there are "
                                f"{classes} classes.")
    counted = (np.bincount(x[(x >= 0) & (x < classes)], minlength=classes)
               for x in (label[label == prediction], prediction, label))
    return np.stack(list(counted))


def score_areas(counts: Iterable[np.ndarray], *, ignored: int = 0) -> SegmentationScores:
    """Scores of the sum of the :func:`areas` of all images, in which so many pixels are ignored."""
    hit, predicted, labelled = np.array(list(counts), dtype=np.float64).sum(axis=0)
    union = predicted + labelled - hit
    with np.errstate(invalid="ignore"):
        iou, accuracy = hit / union, hit / labelled
    return SegmentationScores(
        pixel_accuracy=float(hit.sum() / labelled.sum()),
        mean_accuracy=float(np.nanmean(accuracy)),
        mean_iou=float(np.nanmean(iou)),
        mean_iou_all=float(np.nan_to_num(iou).mean()),
        iou=iou, labelled=labelled, ignored=ignored)


def describe_coverage(pixels: Sequence[int] | np.ndarray, names: Sequence[str], *,
                      ignored: int) -> str:
    """What a score of labels leaves out, in words: its share of ignored pixels, and the classes
    without any.

    Args:
        pixels: labelled ones of each class.
        names: of the classes.
        ignored: the number of the other pixels.
    """
    absent = [name for name, count in zip(names, pixels) if not count]
    text = f"{ignored / max(sum(map(int, pixels)) + ignored, 1):.1%} of the pixels are ignored"
    return text + (f"; {len(absent)} of {len(names)} classes are in no label, so that a mean over "
                   "classes leaves them out, or counts those predicted as 0: "
                   f"{listed(absent)}." if absent else ".")


def read_label(path: Path, reduce_zero_label: bool = False, ignore_label: int = 255) -> np.ndarray:
    """The class or ``ignore_label`` of each pixel, (H, W) int64, of a label PNG; where 0 is no
    class and 1 the first one, with ``reduce_zero_label``."""
    values = read_values(path).astype(np.int64)
    if reduce_zero_label:
        values = np.where(np.isin(values, (0, ignore_label)), ignore_label, values - 1)
    return values


def score_folders(predictions: str | Path, labels: str | Path, classes: int, *,
                  reduce_zero_label: bool = False, ignore_label: int = 255) -> SegmentationScores:
    """Scores of a folder of predicted PNGs against the PNGs of the same names in ``labels``.

    Args:
        reduce_zero_label: in both folders 0 is no class and 1 the first one (as in ADE20K).
        ignore_label: value of label pixels that do not count.

    Raises:
        ResNeStValueError: an empty folder, a missing label, sizes that differ, a label that is no
            class.
    """
    counts, ignored = [], 0
    for prediction, path in progress(find_pairs(predictions, labels), "labels"):
        label = read_label(path, reduce_zero_label, ignore_label)
        ignored += int((label == ignore_label).sum())
        try:
            found = read_label(prediction, reduce_zero_label, ignore_label)
            counts.append(areas(found, label, classes, ignore_label=ignore_label))
        except ResNeStValueError as error:
            raise ResNeStValueError(f"{prediction}: {error}") from None
    return score_areas(counts, ignored=ignored)
