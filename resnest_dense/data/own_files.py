"""The arguments that name a user's own data, COCO-format files or label folders; needs no
framework."""

import argparse
from dataclasses import dataclass, fields

from resnest_dense.errors import ResNeStValueError

__all__ = ["OwnFiles", "add_arguments", "add_classes", "add_folders", "files_of", "words_of"]


@dataclass(frozen=True)
class OwnFiles:
    """An annotation file of a split and what belongs to it; "" for what there is not."""

    json: str = ""  # detection, instance or keypoint annotations
    images: str = ""  # folder of the images
    panoptic_json: str = ""  # panoptic annotations
    panoptic_pngs: str = ""  # folder of the PNGs that they name
    stuff_pngs: str = ""  # folder of semantic labels for Panoptic FPN; derived where it is ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name own files to the parser of a tool."""
    own = parser.add_argument_group(
        "own data", "COCO-format files; classes, keypoints and stuff come from the files. Several "
        "files of boxes and masks: --train-json A --train-images A/ --train-json B ...; classes "
        "are merged by name")
    for split, purpose in (("train", "train"), ("val", "evaluate")):
        for kind, metavar, text in (
                ("json", "FILE", f"annotations to {purpose} on"),
                ("images", "DIR", "folder of their images"),
                ("panoptic-json", "FILE", f"panoptic annotations to {purpose} on"),
                ("panoptic-pngs", "DIR", "folder of their PNGs"),
                ("stuff-pngs", "DIR", "folder of semantic labels (default: derived)")):
            own.add_argument(f"--{split}-{kind}", action="append", default=[], metavar=metavar,
                             help=text)


def words_of(args: argparse.Namespace) -> list[str]:
    """The words of the command line that gave ``args`` their own files."""
    return [word for split in ("train", "val") for field in fields(OwnFiles)
            for value in getattr(args, f"{split}_{field.name}")
            for word in (f"--{split}-{field.name.replace('_', '-')}", value)]


def add_folders(parser: argparse._ActionsContainer, split: str) -> None:
    """Adds ``--train`` or ``--val``: label folders of a segmentor."""
    several = "; may be given several times" if split == "train" else ""
    parser.add_argument(f"--{split}", nargs=2, action="append" if several else "store",
                        metavar=("IMAGES", "LABELS"),
                        help=f"own data to {'train on' if several else 'validate or test on'}: "
                        f"folder of images, folder of PNGs{several}")


def add_classes(parser: argparse._ActionsContainer) -> None:
    """Adds what the labels in such folders mean."""
    parser.add_argument("--classes", metavar="FILE", help="class names of the own data: one a "
                        "line, or JSON")
    parser.add_argument("--reduce-zero-label", action="store_true",
                        help="in the own labels 0 is no class and 1 the first one")


def files_of(args: argparse.Namespace, split: str, *,
             panoptic: bool | None = None) -> list[OwnFiles]:
    """The own files of a split, one entry for each annotation file.

    Args:
        args: parsed by a parser that :func:`add_arguments` has extended.
        split: "train" or "val".
        panoptic: whether the model is a Panoptic FPN, to check that the files are for it.

    Raises:
        ResNeStValueError: files that lack a companion, or that the model has no use for.
    """
    given = {field.name: getattr(args, f"{split}_{field.name}") for field in fields(OwnFiles)}
    count = max(map(len, given.values()))
    if len(given["images"]) == 1:
        given["images"] = given["images"] * count  # one folder may have the images of all files
    _require(all(len(paths) in (0, count) for paths in given.values()),
             f"--{split}-json, --{split}-images and what else there is belong together, one for "
             f"one: got {', '.join(f'{len(paths)} of {name}' for name, paths in given.items())}.")
    _require(count < 2 or not given["panoptic_json"],
             f"--{split}-panoptic-json is given {count} times: several files are read of boxes and "
             "masks alone. Merge the panoptic ones.")
    every = [OwnFiles(**{name: paths[i] for name, paths in given.items() if paths})
             for i in range(count)]
    for files in every:
        _check_companions(files, split, panoptic)
    return every


def _check_companions(files: OwnFiles, split: str, panoptic: bool | None) -> None:
    _require(bool(files.images) and bool(files.json or files.panoptic_json),
             f"--{split}-json and --{split}-images belong together; got {files.json!r} and "
             f"{files.images!r}.")
    _require(bool(files.panoptic_json) == bool(files.panoptic_pngs),
             f"--{split}-panoptic-json and --{split}-panoptic-pngs belong together; got "
             f"{files.panoptic_json!r} and {files.panoptic_pngs!r}.")
    _require(panoptic is not False or not (files.panoptic_json or files.stuff_pngs),
             f"--{split}-panoptic-json and --{split}-stuff-pngs are for Panoptic FPN; the config's "
             "MODEL.META_ARCHITECTURE is another.")
    _require(not panoptic or bool(files.panoptic_json),
             f"--{split}-panoptic-json and --{split}-panoptic-pngs are missing: Panoptic FPN "
             "learns and is measured on a panoptic file and the folder of its PNGs.")


def _require(fine: bool, message: str) -> None:
    if not fine:
        raise ResNeStValueError(message)
