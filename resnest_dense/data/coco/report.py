"""What a check of a COCO-format set found: counts, findings, a table."""

import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from resnest_dense.base.findings import Report, read_kinds
from resnest_dense.data.images import IMAGE_KINDS
from resnest_dense.errors import listed

__all__ = ["KINDS", "CocoReport"]

# Severities follow stock detectron2 (``load_coco_json``, ``DatasetMapper``, ``filter_empty``) and
# the pycocotools evaluation, whose own part is "evaluation".
KINDS = {**read_kinds(__file__), **IMAGE_KINDS}

_WIDTH = 100  # columns of the table
_CLASSES, _ROOM = 200, 1500  # that are told, and characters of it
_SEVERITIES = {
    "error": "training or evaluation would stop or go wrong",
    "dropped": "left out of training by detectron2",
    "note": "works, but look at it",
}


@dataclass
class CocoReport(Report):
    """Everything that ``check_coco`` found in one set."""

    kinds = KINDS
    unit: ClassVar[str] = "annotations"

    json_path: Path
    image_root: Path
    images: int = 0  # entries
    annotations: int = 0  # of a panoptic set, its segments
    trained: int | None = None  # annotations left when detectron2 has dropped its share
    classes: int = 0  # categories
    per_class: dict[str, int] = field(default_factory=dict)  # annotations by name, as ids go

    def subject(self) -> str:
        return f"{self.json_path} with the images in {self.image_root}"

    def table(self) -> str:
        """A text table for the terminal: totals, classes, then findings by severity."""
        counts = listed((f"{name} {count}" for name, count in self.per_class.items()),
                        most=_CLASSES, room=_ROOM)
        trained = "" if self.trained is None else f" ({self.trained} to train on)"
        lines = [
            f"{self.json_path}: {self.images} images, {self.annotations} {self.unit}{trained}, "
            f"{self.classes} classes",
            *textwrap.wrap(f"{self.unit} per class: {counts}", _WIDTH, subsequent_indent="  "),
        ]
        lines += self.rows_by_severity(_SEVERITIES)
        return "\n".join(lines if self.findings else [*lines, "no problems found"])
