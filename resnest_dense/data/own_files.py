"""The arguments that name a user's own COCO-format files; needs no framework."""

import argparse
from dataclasses import dataclass, fields

from resnest_dense.errors import ResNeStValueError

__all__ = ["OwnFiles", "add_arguments", "files_of"]


@dataclass(frozen=True)
class OwnFiles:
    """The files of one split; "" for what there is not."""

    json: str = ""  # detection, instance or keypoint annotations
    images: str = ""  # folder of the images
    panoptic_json: str = ""  # panoptic annotations
    panoptic_pngs: str = ""  # folder of the PNGs that they name
    stuff_pngs: str = ""  # folder of semantic labels for Panoptic FPN; derived where it is ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name own files to the parser of a tool."""
    own = parser.add_argument_group(
        "own data", "COCO-format files; classes, keypoints and stuff come from the files")
    for split, purpose in (("train", "train"), ("val", "evaluate")):
        for kind, metavar, text in (
                ("json", "FILE", f"annotations to {purpose} on"),
                ("images", "DIR", "folder of their images"),
                ("panoptic-json", "FILE", f"panoptic annotations to {purpose} on"),
                ("panoptic-pngs", "DIR", "folder of their PNGs"),
                ("stuff-pngs", "DIR", "folder of semantic labels (default: derived)")):
            own.add_argument(f"--{split}-{kind}", default="", metavar=metavar, help=text)


def files_of(args: argparse.Namespace, split: str, *,
             panoptic: bool | None = None) -> OwnFiles | None:
    """The own files of a split; None where the arguments name none.

    Args:
        args: parsed by a parser that :func:`add_arguments` has extended.
        split: "train" or "val".
        panoptic: whether the model is a Panoptic FPN, to check that the files are for it.

    Raises:
        ResNeStValueError: files that lack a companion, or that the model has no use for.
    """
    files = OwnFiles(*(getattr(args, f"{split}_{field.name}") for field in fields(OwnFiles)))
    if files == OwnFiles():
        return None
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
    return files


def _require(fine: bool, message: str) -> None:
    if not fine:
        raise ResNeStValueError(message)
