"""The classes of a detector, kept in and beside its checkpoints: a config has their number only."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from detectron2.data import MetadataCatalog
from detectron2.data.catalog import Metadata

from resnest_dense.base.runs import class_order, require_same_classes
from resnest_dense.data.text import read_json
from resnest_dense.errors import ResNeStError
from resnest_dense.weights.files import read_checkpoint, split_part

__all__ = ["Classes", "classes_in", "describe_set", "order_in_set", "read_classes", "set_classes",
           "trained_classes", "write_classes"]

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
        names, stuff = (known.get(key, ()) for key in ("thing_classes", "stuff_classes"))
        # Sets with one class, such as COCO's persons, know their ids only once they are loaded.
        ids = _in_order(known.get("thing_dataset_id_to_contiguous_id", {}))
        stuff_ids = _in_order(known.get("stuff_dataset_id_to_contiguous_id", {})) if stuff else ()
        return cls(ids or tuple(range(1, len(names) + 1)), tuple(names),
                   stuff_ids or tuple(range(len(stuff))), tuple(stuff),
                   {key: known[key] for key in _DRAWING if key in known})

    def order_among(self, wanted: "Classes", *, sides: tuple[str, str],
                    remedy: str) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
        """The place of each of these among the wanted ones, of the detected categories and of the
        semantic head's; None for the same order, or where one side has none.

        Raises:
            ResNeStValueError: other names; arguments are those of :func:`class_order`.
        """
        pairs = (self.names, wanted.names), (self.stuff_names, wanted.stuff_names)
        things, stuff = (class_order(*pair, sides=sides, remedy=remedy) if all(pair) else None
                         for pair in pairs)
        return things, stuff

    def require_same(self, given: "Classes", *, sides: tuple[str, str], remedy: str) -> None:
        """As :meth:`order_among`, but another order is an error too."""
        for pair in ((self.names, given.names), (self.stuff_names, given.stuff_names)):
            require_same_classes(*pair, sides=sides, remedy=remedy)

    def ordered_as(self, names: tuple[str, ...], order: tuple[int, ...]) -> "Classes":
        """These in the order of a network, which has class i under ``names[i]``."""
        return replace(self, ids=tuple(self.ids[i] for i in order), names=names)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of them."""
        return asdict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing: a run that goes on has been compared before."""

    def metadata(self) -> Metadata:
        """What detectron2's drawing takes."""
        stuff = {"stuff_classes": list(self.stuff_names)} if self.stuff_names else {}
        return Metadata(thing_classes=list(self.names), **stuff, **self.drawing)


def write_classes(folder: str | Path, classes: Classes | Mapping[int, str]) -> None:
    """Writes ``classes.json`` into a run's ``OUTPUT_DIR``: classes, or names by category id."""
    if isinstance(classes, Mapping):
        classes = Classes(tuple(classes), tuple(classes.values()))
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
        content = read_json(path)
        if "categories" in content:
            rows = sorted(content["categories"], key=lambda row: row["id"])
            content = {"ids": [row["id"] for row in rows], "names": [row["name"] for row in rows]}
        return _from_state(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResNeStError(f"{path} holds no classes ({error!r}): give a run's classes.json, or a "
                           "COCO-format file with 'categories'.") from error


def trained_classes(checkpoint: str | Path) -> Classes | None:
    """The classes that a checkpoint was trained on: those in the file, or else in the
    ``classes.json`` beside it; None for a name or an address, and where there are none.

    Raises:
        ResNeStError: a file that cannot be read.
    """
    path = Path(split_part(str(checkpoint))[0])
    if not path.is_file():
        return None
    return classes_in(read_checkpoint(path).others, path)


def classes_in(others: Mapping[str, Any], path: Path) -> Classes | None:
    """:func:`trained_classes` of a checkpoint that has been read: ``others`` is what it holds
    beside the weights, ``path`` where it is."""
    state = others.get("classes")
    if isinstance(state, Mapping) and "names" in state:
        return _from_state(state)
    return read_classes(path.absolute().parent)


def set_classes(name: str) -> Classes | None:
    """The classes of a registered data set, which need not be loaded; None if it names none."""
    metadata = MetadataCatalog.get(name)
    if metadata.get("thing_classes") or metadata.get("stuff_classes"):
        return Classes.from_metadata(metadata)
    return read_classes(metadata.json_file) if metadata.get("json_file") else None


def order_in_set(trained: Classes | None, name: str, *,
                 source: str) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """:meth:`Classes.order_among` those of a registered set for a model from ``source``; two times
    None where either's are not known.

    Raises:
        ResNeStValueError: the set has other classes.
    """
    given = set_classes(name)
    if trained is None or given is None:
        return None, None
    return trained.order_among(given, sides=(source, describe_set(name)), remedy=(
        "Evaluate and predict with the classes that the model was trained on; to learn others, "
        "train on them, from MODEL.WEIGHTS if need be."))


def describe_set(name: str) -> str:
    """A registered set as messages call it: by its file, where it has one."""
    metadata = MetadataCatalog.get(name)
    return str(metadata.get("panoptic_json") or metadata.get("json_file") or name)


def _from_state(state: Mapping[str, Any]) -> Classes:
    fields: dict[str, Any] = {key: value if key == "drawing" else tuple(value)
                              for key, value in state.items()}
    return Classes(**fields)


def _in_order(contiguous: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(sorted(contiguous, key=contiguous.__getitem__))
