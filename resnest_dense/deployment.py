"""From a config and a checkpoint to a file that others run, which is checked before it has its
name."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from resnest_dense.data.inputs import find_images
from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.exporting.check import Report, check
from resnest_dense.exporting.files import open_file, write_file
from resnest_dense.exporting.pictures import draw_pictures, read_pictures
from resnest_dense.exporting.subject import Options, Subject
from resnest_dense.exporting.table import FORMATS, require
from resnest_dense.inference.compile import uncompile
from resnest_dense.weights.transfer import Digests

__all__ = ["CheckError", "export"]


class CheckError(ResNeStError):
    """An exported file does not do what its model does; it was removed."""


def export(config: str | Path, checkpoint: str | Path, format: str, out: str | Path, *,
           images: Sequence[str | Path] = (), **options: Any) -> Report:
    """Writes a trained model as a file that runs without its framework, with F.json beside a file
    F: what goes in, what comes out, and how it was checked.

    Args:
        config: a config of either framework, or an architecture (its feature maps).
        checkpoint: what was trained with it: a path, an address or a name in the catalog.
        format: "onnx", "openvino", "torch-export" or "torchscript".
        out: the file, with the suffix of the format.
        images: files, folders or patterns to check it on; those of the config's data set, or
            generated ones, when empty.
        options: see :class:`resnest_dense.exporting.subject.Options`.

    Returns:
        What the check has found.

    Raises:
        CheckError: the file does not do what the model does.
        ResNeStError: a pair of config and checkpoint that does not fit, a model or precision that
            the format cannot have (docs/export.md), or a file that cannot be written. Nothing is
            left of it.
    """
    # It takes a while to import, which a public name must not.
    from resnest_dense.frameworks import export_subject

    path = Path(out)
    _check_name(path, format, options.get("precision", "float32"))
    given = read_pictures([image.path for image in find_images(images)])
    subject = export_subject(str(config), str(checkpoint), Options(**options))
    require(format, subject.family, subject.contract.precision, subject.deformable)
    uncompile(subject.graph)
    made_from = {"config": str(config), "checkpoint": str(checkpoint), "format": format,
                 "family": subject.family}
    if Path(checkpoint).is_file():
        made_from["sha256"] = Digests("sha256").read(Path(checkpoint)).values()[0]
    subject = replace(subject, contract=replace(subject.contract, made_from=made_from))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            written = Path(folder, path.name)
            write_file(subject, format, written)
            report = _check(subject, format, written, given)
            contract = replace(subject.contract, check=report.content())
            written.with_name(f"{path.name}.json").write_text(contract.to_json(), encoding="utf-8")
            for file in sorted(Path(folder).iterdir(), key=lambda file: file.name == path.name):
                file.replace(path.with_name(file.name))
    except OSError as error:
        raise ResNeStError(f"{path} cannot be written: {error.strerror or error}.") from error
    return report


def _check_name(path: Path, format: str, precision: str) -> None:
    require(format, "backbone", precision)
    suffix = FORMATS[format].suffix
    if path.suffix != suffix:
        raise ResNeStValueError(f"{path}: the name of a file for {FORMATS[format].runtime} ends in "
                                f"{suffix}.")
    if path.is_dir():
        raise ResNeStValueError(f"{path} is a folder: name a file.")


def _check(subject: Subject, format: str, path: Path, given: Sequence[np.ndarray]) -> Report:
    own = [picture for picture in subject.pictures if picture.is_file()]
    pictures = given or read_pictures(own) or draw_pictures()
    images = f"{len(pictures)} {'' if given or own else 'generated '}images"
    try:
        report = check(subject, open_file(subject, format, path), pictures, images)
    except OSError:
        raise
    except Exception as error:  # Each runtime has errors of its own.
        raise CheckError(f"The {format} file does not run: {error}. It was removed.") from error
    if report.failures:
        raise CheckError(f"The {format} file differs from its model ({images}): "
                         f"{'; '.join(report.failures)}. It was removed.")
    return report
