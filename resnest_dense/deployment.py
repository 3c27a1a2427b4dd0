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
from resnest_dense.exporting.accuracy import Scores, Validation, read_validation
from resnest_dense.exporting.check import Report, check
from resnest_dense.exporting.files import open_file, read_model, save_model, write_file
from resnest_dense.exporting.pictures import draw_pictures, read_pictures
from resnest_dense.exporting.quantize import find_calibration, kept_layers, quantize, require_nncf
from resnest_dense.exporting.subject import Options, Subject
from resnest_dense.exporting.table import FORMATS, require
from resnest_dense.inference.compile import uncompile
from resnest_dense.runtime.runner import Runner
from resnest_dense.runtime.session import SUFFIXES
from resnest_dense.weights.transfer import Digests

__all__ = ["CheckError", "export"]


class CheckError(ResNeStError):
    """An exported file does not do what its model does; it was removed."""


def export(config: str | Path, checkpoint: str | Path, format: str, out: str | Path, *,
           images: Sequence[str | Path] = (), calibration: Sequence[str | Path] = (),
           val: tuple[str | Path, str | Path] | None = None, most_loss: float = 0.5,
           **options: Any) -> Report:
    """Writes a trained model as a file that runs without its framework, with F.json beside a file
    F: what goes in, what comes out, and how it was checked.

    Args:
        config: a config of either framework, or an architecture (its feature maps).
        checkpoint: what was trained with it: a path, an address or a name in the catalog.
        format: "onnx", "openvino", "torch-export" or "torchscript".
        out: the file, with the suffix of the format.
        images: files, folders or patterns to check it on; when empty those of ``val``, of
            ``calibration``, of the config's data set, or generated ones.
        calibration: of int8: files, folders or patterns of images like those that it will see; the
            config's training set when empty.
        val: a folder of images, and what is in them: a COCO-format file, or a folder of label PNGs.
            AP or mean IoU is measured, and compared with that in float32.
        most_loss: points that a score may lose in lower precision.
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

    path, chosen = Path(out), Options(**options)
    _check_request(path, format, chosen.precision, calibration, val)
    given = read_pictures([image.path for image in find_images(images)])
    ranges: Sequence[Path] = [image.path for image in find_images(calibration)]
    subject = export_subject(str(config), str(checkpoint), chosen)
    require(format, subject.family, chosen.precision, subject.deformable)
    validation = read_validation(*val, subject.contract) if val else None
    if chosen.precision == "int8":
        ranges = find_calibration(ranges, subject)
    given = given or read_pictures(validation.images if validation else ranges)
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
            subject, before = _write(subject, format, written, ranges, validation, most_loss)
            report = _check(subject, format, written, given)
            if validation:
                after = validation.score(Runner(written, threshold=None))
                report = report.with_scores(before, after, most_loss)
            if report.failures:
                raise CheckError(f"The {format} file differs from its model ({report.images}): "
                                 f"{'; '.join(report.failures)}. It was removed.")
            contract = replace(subject.contract, check=report.content())
            written.with_name(f"{path.name}.json").write_text(contract.to_json(), encoding="utf-8")
            for file in sorted(Path(folder).iterdir(), key=lambda file: file.name == path.name):
                file.replace(path.with_name(file.name))
    except OSError as error:
        raise ResNeStError(f"{path} cannot be written: {error.strerror or error}.") from error
    return report


def _check_request(path: Path, format: str, precision: str, calibration: Sequence[str | Path],
                   val: object) -> None:
    """Before anything is read."""
    require(format, "backbone", precision)
    suffix = FORMATS[format].suffix
    if path.suffix != suffix:
        raise ResNeStValueError(f"{path}: the name of a file for {FORMATS[format].runtime} ends in "
                                f"{suffix}.")
    if path.is_dir():
        raise ResNeStValueError(f"{path} is a folder: name a file.")
    if precision == "int8":
        require_nncf()
    elif calibration:
        raise ResNeStValueError(f"--calibration is for int8, and this is {precision}.")
    if val and suffix not in SUFFIXES:
        raise ResNeStValueError(f"--val: AP and mean IoU are measured of files that end in "
                                f"{' or '.join(SUFFIXES)}, and {path} does not.")


def _write(subject: Subject, format: str, path: Path, calibration: Sequence[Path],
           validation: Validation | None, most_loss: float) -> tuple[Subject, Scores]:
    """Writes the file; the subject with what was decided on the way, and its scores in float32."""
    contract = subject.contract
    before: Scores = {}
    if contract.precision == "float32" or not (calibration or validation):
        write_file(subject, format, path)
        return subject, before
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        full = Path(folder, path.name)
        whole = replace(subject, contract=replace(contract, precision="float32"))
        write_file(whole, format, full)
        if validation:
            before = validation.score(Runner(full, threshold=None))
        if contract.precision == "float16":
            write_file(subject, format, path)
            return subject, before
        model = quantize(read_model(full), subject, calibration, validation, before, most_loss)
    contract = replace(contract, kept_higher=kept_layers(model))
    save_model(model, contract, path)
    return replace(subject, contract=contract), before


def _check(subject: Subject, format: str, path: Path, given: Sequence[np.ndarray]) -> Report:
    own = [picture for picture in subject.pictures if picture.is_file()]
    pictures = given or read_pictures(own) or draw_pictures()
    images = f"{len(pictures)} {'' if given or own else 'generated '}images"
    try:
        return check(subject, open_file(subject, format, path), pictures, images)
    except OSError:
        raise
    except Exception as error:  # Each runtime has errors of its own.
        raise CheckError(f"The {format} file does not run: {error}. It was removed.") from error
