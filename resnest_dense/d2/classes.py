"""The classes of a detector, kept beside its checkpoints: a config holds only their number."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from detectron2.data.catalog import Metadata

__all__ = ["Classes", "read_classes", "write_classes"]

_FILE = "classes.json"


@dataclass(frozen=True)
class Classes:
    """Category ids of the data set and their names, in the order of the network's outputs."""

    ids: tuple[int, ...]
    names: tuple[str, ...]

    def metadata(self) -> Metadata:
        """What detectron2's drawing takes."""
        return Metadata(thing_classes=list(self.names))


def write_classes(folder: str | Path, categories: Mapping[int, str]) -> None:
    """Writes ``classes.json`` into the folder of a run.

    Args:
        folder: the run's ``OUTPUT_DIR``.
        categories: names by category id, in the order of the ids.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    classes = Classes(tuple(categories), tuple(categories.values()))
    (folder / _FILE).write_text(json.dumps(asdict(classes), indent=2) + "\n")


def read_classes(folder: str | Path) -> Classes | None:
    """The classes beside a checkpoint; None where the run's data set was not the user's own."""
    path = Path(folder) / _FILE
    if not path.is_file():
        return None
    content = json.loads(path.read_text())
    return Classes(tuple(content["ids"]), tuple(content["names"]))
