"""The classes of a detector, kept beside its checkpoints: a config holds only their number."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from detectron2.data.catalog import Metadata

from resnest_dense.data.text import read_text
from resnest_dense.errors import ResNeStError

__all__ = ["Classes", "read_classes", "write_classes"]

_FILE = "classes.json"
# What detectron2's drawing reads beside the names.
_DRAWING = ("thing_colors", "stuff_colors", "keypoint_names", "keypoint_flip_map",
            "keypoint_connection_rules")


@dataclass(frozen=True)
class Classes:
    """Category ids of the data set and their names, in the order of the network's outputs."""

    ids: tuple[int, ...]  # of the detected categories
    names: tuple[str, ...]
    stuff_ids: tuple[int, ...] = ()  # of the semantic head; the first one stands for all things
    stuff_names: tuple[str, ...] = ()
    drawing: Mapping[str, Any] = field(default_factory=dict)  # colours, keypoints for detectron2

    @classmethod
    def from_metadata(cls, metadata: Metadata) -> "Classes":
        """Those of a data set that is registered with detectron2."""
        known = metadata.as_dict()
        names, stuff = known["thing_classes"], known.get("stuff_classes", ())
        # Sets with one class, such as COCO's persons, know their ids only once they are loaded.
        ids = _in_order(known.get("thing_dataset_id_to_contiguous_id", {}))
        stuff_ids = _in_order(known.get("stuff_dataset_id_to_contiguous_id", {})) if stuff else ()
        return cls(ids or tuple(range(1, len(names) + 1)), tuple(names),
                   stuff_ids or tuple(range(len(stuff))), tuple(stuff),
                   {key: known[key] for key in _DRAWING if key in known})

    def metadata(self) -> Metadata:
        """What detectron2's drawing takes."""
        stuff = {"stuff_classes": list(self.stuff_names)} if self.stuff_names else {}
        return Metadata(thing_classes=list(self.names), **stuff, **self.drawing)


def write_classes(folder: str | Path, classes: Classes) -> None:
    """Writes ``classes.json`` into a run's ``OUTPUT_DIR``."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, _FILE).write_text(json.dumps(asdict(classes), indent=2) + "\n")


def read_classes(source: str | Path) -> Classes | None:
    """The classes in the folder of a run, None without ``classes.json`` there, in such a file or in
    one of COCO's format.

    Raises:
        ResNeStError: a file that holds no classes.
    """
    path = Path(source)
    if path.is_dir():
        path /= _FILE
        if not path.is_file():
            return None
    try:
        content = json.loads(read_text(path))
        if "categories" in content:
            rows = sorted(content["categories"], key=lambda row: row["id"])
            content = {"ids": [row["id"] for row in rows], "names": [row["name"] for row in rows]}
        fields: dict[str, Any] = {key: value if key == "drawing" else tuple(value)
                                  for key, value in content.items()}
        return Classes(**fields)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResNeStError(f"{path} holds no classes ({error!r}): give a run's classes.json, or a "
                           "COCO-format file with 'categories'.") from error


def _in_order(contiguous: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(sorted(contiguous, key=contiguous.__getitem__))
