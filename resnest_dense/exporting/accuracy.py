"""How well an exported model does on images with annotations: AP, or mean IoU."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from resnest_dense.base.progress import progress
from resnest_dense.data.coco.scores import CocoTruth
from resnest_dense.data.images import read_rgb
from resnest_dense.data.labels.folder import find_pairs
from resnest_dense.data.labels.scores import areas, read_label, score_areas
from resnest_dense.errors import ResNeStValueError, listed
from resnest_dense.runtime.contract import Classes, Contract
from resnest_dense.runtime.results import Detections, Labels
from resnest_dense.runtime.runner import Runner

__all__ = ["Scores", "Validation", "read_validation", "worst_loss"]

Scores = Mapping[str, float]  # in percent


class Validation(ABC):
    """Images with annotations.

    Attributes:
        images: their files.
    """

    images: Sequence[Path]

    @abstractmethod
    def score(self, runner: Runner, numbers: Sequence[int] | None = None) -> Scores:
        """What ``runner`` reaches on the images of these numbers, on all when None."""

    def _chosen(self, numbers: Sequence[int] | None) -> Sequence[int]:
        return range(len(self.images)) if numbers is None else numbers


def read_validation(images: str | Path, annotations: str | Path, contract: Contract) -> Validation:
    """The images of a set with what is in them.

    Args:
        images: a folder.
        annotations: of a detector a COCO-format file, of a segmentor the folder of label PNGs.
        contract: of the model that is to be measured.

    Raises:
        ResNeStError: files that cannot be read or are of other classes than the model, or a model
            of features, which have no accuracy.
    """
    if contract.task == "features":
        raise ResNeStValueError("Features have no accuracy: leave out the validation set.")
    kind = _Objects if contract.detects else _Areas
    return kind(Path(images), Path(annotations), contract.classes)


def worst_loss(before: Scores, after: Scores) -> float:
    """The largest loss among the scores, in points."""
    return max(before[name] - after[name] for name in before)


class _Objects(Validation):
    """Boxes and masks, by COCO's AP."""

    def __init__(self, images: Path, annotations: Path, classes: Classes):
        self._truth, self._classes = CocoTruth(annotations), classes
        own = dict(zip(classes.ids, classes.names))
        if strange := sorted(name for number, name in self._truth.categories.items()
                             if own.get(number) != name):
            raise ResNeStValueError(f"{annotations} has categories that the model has not, or has "
                                    f"under other ids: {listed(strange)}.")
        self._ids = sorted(self._truth.images)
        self.images = [images / self._truth.images[number] for number in self._ids]

    def score(self, runner: Runner, numbers: Sequence[int] | None = None) -> Scores:
        numbers, results = self._chosen(numbers), []
        for number in progress(numbers, "images"):
            found = runner(read_rgb(self.images[number]))
            assert isinstance(found, Detections)
            results += found.coco(self._classes, self._ids[number])
        return self._truth.score(results, [self._ids[number] for number in numbers])


class _Areas(Validation):
    """Labels of pixels, by mean IoU."""

    def __init__(self, images: Path, annotations: Path, classes: Classes):
        pairs = find_pairs(images, annotations)
        self.images, self._labels = zip(*pairs)
        self._count, self._reduce = len(classes.names), classes.ids[0] == 1

    def score(self, runner: Runner, numbers: Sequence[int] | None = None) -> Scores:
        counts = []
        for number in progress(self._chosen(numbers), "images"):
            found = runner(read_rgb(self.images[number]))
            assert isinstance(found, Labels)
            label = read_label(self._labels[number], self._reduce)
            try:
                counts.append(areas(found.pixels, label, self._count))
            except ResNeStValueError as error:
                raise ResNeStValueError(f"{self._labels[number]}: {error}") from None
        return {"mIoU": 100 * score_areas(counts).mean_iou}
