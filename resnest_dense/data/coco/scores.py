"""Average precision of results in COCO's format, by pycocotools."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

from resnest_dense.errors import ResNeStError, ResNeStValueError

__all__ = ["CocoTruth"]


class CocoTruth:
    """What is in the images of a COCO-format file.

    Args:
        path: of the file.

    Attributes:
        images: names of the image files, by id.
        categories: names, by id.

    Raises:
        ResNeStError: no such file, one that is none of COCO's, or no pycocotools.
    """

    def __init__(self, path: str | Path):
        try:
            from pycocotools.coco import COCO
        except ImportError as error:
            raise ResNeStError("AP needs pycocotools: pip install 'resnest_dense[export]' "
                               f"({error}).") from error
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self._truth = COCO(str(path))
            self.images: dict[int, str] = {
                number: entry["file_name"] for number, entry in self._truth.imgs.items()}
            self.categories: dict[int, str] = {
                number: entry["name"] for number, entry in self._truth.cats.items()}
        except Exception as error:  # whatever pycocotools stumbles over
            raise ResNeStValueError(f"{path} is no COCO-format file: {error}.") from error
        if not self.images or not self._truth.anns:
            raise ResNeStValueError(f"{path} has no images, or nothing in them.")

    def score(self, results: Sequence[dict], images: Sequence[int]) -> dict[str, float]:
        """AP (IoU 0.5 to 0.95, all areas) in percent: of boxes, and of masks where both sides have
        them; NaN where there is nothing to find.

        Args:
            results: in COCO's format.
            images: ids of the images in which they were found.
        """
        from pycocotools.cocoeval import COCOeval

        has_masks = all("segmentation" in one for one in results) and any(
            entry.get("segmentation") for entry in self._truth.anns.values())
        scores = {}
        for name, kind in [("box AP", "bbox"), ("mask AP", "segm")][:1 + has_masks]:
            with contextlib.redirect_stdout(io.StringIO()):
                # A copy, since loading changes entries; and it knows no empty list.
                found = self._truth.loadRes([dict(one) for one in results]) if results else None
                value = 0.0
                if found is not None:
                    evaluation = COCOeval(self._truth, found, kind)
                    evaluation.params.imgIds = list(images)
                    evaluation.evaluate()
                    evaluation.accumulate()
                    evaluation.summarize()
                    value = float(evaluation.stats[0])
            scores[name] = 100 * value if value >= 0 else float("nan")
        return scores
