"""From a folder of another tool's annotations to COCO files that training takes."""

import hashlib
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from resnest_dense.data.coco.check import check_coco
from resnest_dense.data.coco.report import CocoReport
from resnest_dense.data.convert.alike import group_alike
from resnest_dense.data.convert.folder import Folder
from resnest_dense.data.convert.formats import FORMATS, SHARE
from resnest_dense.data.convert.recognise import read_as, recognise
from resnest_dense.data.convert.record import SPLITS, Collection, ConversionReport, Picture
from resnest_dense.data.convert.split import cut_long, divide
from resnest_dense.data.convert.writer import write
from resnest_dense.errors import ResNeStValueError, listed

__all__ = ["Conversion", "convert"]


@dataclass
class Conversion:
    """What was read and written."""

    report: ConversionReport  # on the source; nothing is written where it has errors
    kept: bool = False  # whether the splits are those of the source
    masks: bool = False  # whether there are any
    linked: dict[str, bool] = field(default_factory=dict)  # by split: images linked, not copied
    checks: dict[str, CocoReport] = field(default_factory=dict)  # of what was written, by split

    @property
    def usable(self) -> bool:
        """Whether there is something to train on."""
        return bool(self.checks) and not any(check.errors for check in self.checks.values())

    def summary(self, out: str | Path) -> str:
        """The tables of what was found in the source and in ``out``."""
        what = "with masks" if self.masks else "boxes"
        parts = [f"{self.report.root}: {self.report.form}, {what}"]
        parts += [table for table in [self.report.table()] if table]
        parts += [check.table() for check in self.checks.values()]
        if self.linked:
            how = "linked" if all(self.linked.values()) else "copied"
            splits = "the source's" if self.kept else "new"
            parts.append(f"Written to {out}: {', '.join(f'{name}.json' for name in self.linked)}; "
                         f"the images {how}; the splits are {splits}.")
        else:
            parts.append("Nothing was written.")
        return "\n\n".join(parts)


def convert(source: str | Path, out: str | Path, *, form: str = "", share: float | None = None,
            seed: int = 0) -> Conversion:
    """Converts the annotations in a folder, and checks the result.

    Args:
        source: folder of annotations and images.
        out: folder to be made: ``train.json`` with its images in ``train/``, ``val.json``, and
            ``test.json`` where the source has such a split.
        form: a name of ``FORMATS``; "" to tell it by the files.
        share: of the images that are to be trained on; None keeps the splits of the source, and is
            0.8 where it has none.
        seed: of the split.

    Raises:
        ResNeStValueError: no folder, a format that is not read or not the one stated, an ``out``
            that is there already, a share that is none.
    """
    if share is not None and not 0 < share < 1:
        raise ResNeStValueError(f"--split {share:g}: give the share of the images to train on, "
                                "between 0 and 1, such as 0.8.")
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ResNeStValueError(f"{out} is there already: give another folder, or delete it.")
    report = ConversionReport(Path(source))
    folder = Folder(source, report)
    if out.resolve().is_relative_to(folder.root.resolve()):
        raise ResNeStValueError(f"{out} is inside {source}, and would be read with it the next "
                                "time: give a folder beside it.")
    form, sources = recognise(folder, form)
    report.form = FORMATS[form]
    with tempfile.TemporaryDirectory() as scratch:
        found = read_as(form, sources, folder, Path(scratch))
        found.name_classes()
        _look(found, report, folder)
        result = Conversion(report, masks=any(
            thing.polygons or thing.mask for one in found.pictures for thing in one.things))
        if not report.errors:
            result.kept = _split(found, folder, share, seed)
        if not report.errors:
            result.linked = write(found, out)
    for split in result.linked:
        result.checks[split] = check_coco(out / f"{split}.json", out / split,
                                          need_masks=result.masks)
    return result


def _look(found: Collection, report: ConversionReport, folder: Folder) -> None:
    """What is odd about a set, whatever its format."""
    if not found.pictures and not report.errors:
        report.add("nothing-read", folder.shown(folder.root))
    for picture in found.pictures:
        where = folder.shown(picture.path)
        empty = [thing for thing in picture.things if min(thing.box[2:]) <= 0]
        for thing in empty:
            report.add("object-empty", f"{where}: {thing.name!r}, {list(thing.box)}")
            picture.things.remove(thing)
        report.add_repeats("object-repeated", ((thing.name, *thing.box) for thing in picture.things
                                               if not thing.mask), f"{where}: ")
    things = [thing for picture in found.pictures for thing in picture.things]
    bare = sum(not (thing.polygons or thing.mask) for thing in things)
    if 0 < bare < len(things):
        report.add("masks-some", f"{bare} of {len(things)} objects", bare)
    lower = Counter(name.lower() for name in found.classes)
    same = [name for name in found.classes if lower[name.lower()] > 1]
    if same:
        report.add("class-case", listed(same), len(same))


def _split(found: Collection, folder: Folder, share: float | None, seed: int) -> bool:
    """Gives every image its split; whether those of the source are kept."""
    own = {picture.split for picture in found.pictures}
    keeps = share is None and {"train", "val"} <= {*own, *found.declared}
    if keeps:
        _check_own(found, folder, own)
    groups = group_alike([one.path for one in found.pictures],
                         [folder.shown(one.path) for one in found.pictures])
    if keeps:
        _tell_leaks(found, folder, groups)
    else:
        # A test set stays one where validation is cut out of the rest.
        tested = np.array([share is None and one.split == "test" for one in found.pictures], bool)
        _divide(found, folder, groups, np.flatnonzero(~tested), SHARE if share is None else share,
                seed)
    for split, other, kind in (("val", "train", "class-only-val"),
                               ("train", "val", "class-only-train")):
        names = {part: {thing.name for one in found.pictures if one.split == part
                        for thing in one.things} for part in (split, other)}
        if lone := sorted(names[split] - names[other]):
            folder.report.add(kind, listed(lone), len(lone))
    return keeps


def _check_own(found: Collection, folder: Folder, own: set[str]) -> None:
    for split in SPLITS:
        if split in found.declared and split not in own:
            kind = "test-empty" if split == "test" else "split-empty"
            folder.report.add(kind, found.declared[split])
    for picture in [picture for picture in found.pictures if not picture.split]:
        folder.report.add("split-none", folder.shown(picture.path))
        found.pictures.remove(picture)


def _tell_leaks(found: Collection, folder: Folder, groups: np.ndarray) -> None:
    """Images that are on both sides, by their content, and those that are nearly."""
    by_group: dict[int, list[Picture]] = {}
    for group, picture in zip(groups, found.pictures):
        by_group.setdefault(int(group), []).append(picture)
    for pictures in by_group.values():
        if len({picture.split for picture in pictures}) > 1:
            first = next(one for one in pictures if one.split != pictures[0].split)
            where = f"{folder.shown(pictures[0].path)} and {folder.shown(first.path)}"
            splits: dict[str, Picture] = {}
            twice = [(same, picture) for picture in pictures if (
                same := splits.setdefault(_digest(picture.path), picture)).split != picture.split]
            if twice:
                folder.report.add("split-shared", " and ".join(
                    folder.shown(one.path) for one in twice[0]), len(twice))
            else:
                folder.report.add("split-alike", where)


def _digest(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()


def _divide(found: Collection, folder: Folder, groups: np.ndarray, chosen: np.ndarray,
            share: float, seed: int) -> None:
    pictures = [found.pictures[place] for place in chosen]
    if len(pictures) < 2:
        folder.report.add("split-few", f"{len(pictures)} images")
        return
    # Half of the smaller side at most, so that one video cannot be all of it.
    longest = max(1, int(min(share, 1 - share) * len(pictures) / 2))
    groups, cut = cut_long(groups[chosen], [folder.shown(one.path) for one in pictures], longest)
    if cut:
        folder.report.add("group-cut", f"more than {longest} images", cut)
    if (alike := len(pictures) - len(np.unique(groups))):
        folder.report.add("split-together", f"{len(pictures)} images in {len(np.unique(groups))} "
                          "groups", alike)
    numbers = {name: place for place, name in enumerate(found.classes)}
    has = np.zeros((len(pictures), len(numbers)), bool)
    for place, picture in enumerate(pictures):
        has[place, [numbers[thing.name] for thing in picture.things]] = True
    for picture, trained in zip(pictures, divide(has, groups, share, seed)):
        picture.split = "train" if trained else "val"
    for split in ("train", "val"):
        if all(picture.split != split for picture in pictures):
            folder.report.add("split-few", f"{len(pictures)} images, none for {split}")
