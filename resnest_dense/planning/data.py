"""The folders that ``resnest-dense train`` takes, ready for the frameworks' tools."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from resnest_dense.base.files import link
from resnest_dense.data.convert.alike import group_alike
from resnest_dense.data.convert.folder import split_named
from resnest_dense.data.convert.formats import SHARE
from resnest_dense.data.convert.main import convert
from resnest_dense.data.convert.split import cut_long, divide
from resnest_dense.data.images import read_values
from resnest_dense.data.labels.folder import find_pairs, read_classes
from resnest_dense.errors import ResNeStError, ResNeStValueError

__all__ = ["BoxData", "LabelData", "PanopticData", "find_boxes", "find_labels", "find_panoptic"]

_IMAGES = ("images", "imgs", "img", "image")
_LABELS = ("annotations", "labels", "masks", "annots", "label", "mask")
_NOTE = "source.json"  # what a folder was made of
_LISTS = ("classes.txt", "classes.json", "labels.txt")


@dataclass(frozen=True)
class _DetectionData:
    kinds: ClassVar[tuple[str, ...]]  # what each file or folder is to the tool

    train: tuple[Path, ...]
    val: tuple[Path, ...]

    def words(self) -> list[str]:
        """As arguments of the detectors' tool."""
        return [str(word) for split in ("train", "val")
                for kind, path in zip(self.kinds, getattr(self, split), strict=True)
                for word in (f"--{split}-{kind}", path)]


class BoxData(_DetectionData):
    """COCO files and the folders of their images."""

    kinds = ("json", "images")


class PanopticData(_DetectionData):
    """Panoptic files, and the folders of their PNGs and images."""

    kinds = ("panoptic-json", "panoptic-pngs", "images")


@dataclass(frozen=True)
class LabelData:
    """Folders of images and of label PNGs, and the class list."""

    train: tuple[Path, Path]
    val: tuple[Path, Path]
    classes: Path

    def words(self) -> list[str]:
        """As arguments of the segmentors' tool."""
        return [*("--train", *map(str, self.train)), *("--val", *map(str, self.val)),
                "--classes", str(self.classes)]


def find_boxes(root: str | Path, out: Path, *, seed: int) -> BoxData:
    """The set in a folder that ``convert-data`` has made, or takes: then it is converted into
    ``out``, and what was found is printed.

    Raises:
        ResNeStError: a folder that is not read, or whose annotations are wrong.
    """
    root = Path(root)
    made = _made(root)
    if made is not None:
        return made
    if not _is_made(root, out):
        found = convert(root, out, seed=seed)
        print(found.summary(out), flush=True)
        found.report.raise_if_wrong()
        _note(root, out)
        for check in found.checks.values():
            check.raise_if_wrong()
    made = _made(out)
    if made is None:
        raise ResNeStValueError(f"{root}: a set to train on and one to validate on are needed; "
                                f"see what was found in {out}.")
    return made


def _made(root: Path) -> BoxData | None:
    train, val = ((root / f"{split}.json", root / split) for split in ("train", "val"))
    there = all(path.is_file() and folder.is_dir() for path, folder in (train, val))
    return BoxData(train, val) if there else None


def find_panoptic(root: str | Path) -> PanopticData:
    """The set in a folder as COCO has it: ``annotations/panoptic_train2017.json``, its PNGs in the
    folder of that name beside ``train2017``, and so for val.

    Raises:
        ResNeStValueError: a folder without them.
    """
    found: dict[str, tuple[Path, Path, Path]] = {}
    for path in sorted(Path(root).glob("**/panoptic_*.json")):
        rest = path.stem.removeprefix("panoptic_")
        split = split_named(rest)
        pngs, images = ([base / name for base in (path.parent, path.parent.parent)
                         if (base / name).is_dir()] for name in (path.stem, rest))
        if split and pngs and images:
            found.setdefault(split, (path, pngs[0], images[0]))
    if not {"train", "val"} <= {*found}:
        raise ResNeStValueError(f"{root} has {' and '.join(found) or 'nothing'} of a panoptic set: "
                                "panoptic_train.json, the folder panoptic_train/ of its PNGs and "
                                "train/ of its images are needed, and the same for val.")
    return PanopticData(found["train"], found["val"])


def find_labels(root: str | Path, out: Path, *, seed: int) -> LabelData:
    """The set in a folder: ``images/train`` and ``labels/train`` (or ``train/images``, ...), so for
    val, and ``classes.txt`` or ``classes.json``. Where there is no val, images and labels are
    linked into ``out``, divided.

    Raises:
        ResNeStError: folders or a class list that are not there, images without labels.
    """
    root = Path(root)
    lists = [root / name for name in _LISTS if (root / name).is_file()]
    if not lists:
        raise ResNeStValueError(f"{root}: no class list; put {' or '.join(_LISTS)} there, a name a "
                                "line in the order of the labels' values.")
    classes = lists[0]
    splits = {split: pair for split in ("train", "val") if (pair := _folders(root, split))}
    if {"train", "val"} <= {*splits}:
        return LabelData(splits["train"], splits["val"], classes)
    whole = splits.get("train") or _folders(root, "")
    if whole is None:
        raise ResNeStValueError(
            f"{root}: no folders of images and labels; there is {_shown(root)}. Name them images/ "
            "and labels/, or images/train, images/val, labels/train and labels/val.")
    if not _is_made(root, out):
        _link_divided(find_pairs(*whole), whole, len(read_classes(classes).names), out, seed)
        _note(root, out)
    train, val = ((out / split / "images", out / split / "labels") for split in ("train", "val"))
    return LabelData(train, val, classes)


def _is_made(root: Path, out: Path) -> bool:
    """Whether the last run has made ``out`` of what is in ``root`` now."""
    note = out / _NOTE
    if not note.is_file():
        return False
    if json.loads(note.read_text()) != _state(root):
        raise ResNeStError(f"{out} was made of another folder than {root} is now: delete it, or "
                           "give another --out.")
    print(f"The data is in {out}, where the last run has put it.")
    return True


def _note(root: Path, out: Path) -> None:
    (out / _NOTE).write_text(json.dumps(_state(root)))


def _state(root: Path) -> list[str | int]:
    files = [path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()]
    return [str(root.resolve()), len(files), max(files, default=0)]


def _folders(root: Path, split: str) -> tuple[Path, Path] | None:
    """The folders of images and labels of a split; "" for those of all."""
    found: list[Path] = []
    for names in (_IMAGES, _LABELS):
        there = [path for path in sorted(root.glob("*/*" if split else "*")) if path.is_dir() and (
            {part.lower() for part in path.relative_to(root).parts} & {*names}) and (
            not split or any(split_named(part) == split
                             for part in path.relative_to(root).parts))]
        found += there[:1]
    return (found[0], found[1]) if len(found) == 2 else None


def _shown(root: Path) -> str:
    if not root.is_dir():
        raise ResNeStValueError(f"No folder {root}.")
    return ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"


def _link_divided(pairs: Sequence[tuple[Path, Path]], roots: tuple[Path, Path], classes: int,
                  out: Path, seed: int) -> None:
    if len(pairs) < 2:
        raise ResNeStError(f"{roots[0]}: {len(pairs)} images are too few to divide.")
    names = [image.relative_to(roots[0]).as_posix() for image, _ in pairs]
    groups = group_alike([image for image, _ in pairs], names)
    groups, _ = cut_long(groups, names, max(1, int((1 - SHARE) * len(pairs) / 2)))
    has = np.array([np.isin(np.arange(classes), read_values(label)) for _, label in pairs])
    for pair, trained in zip(pairs, divide(has, groups, SHARE, seed)):
        for path, folder, kind in zip(pair, roots, ("images", "labels")):
            link(path, out / ("train" if trained else "val") / kind / path.relative_to(folder))
