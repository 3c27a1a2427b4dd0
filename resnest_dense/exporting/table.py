"""What can be exported in which form: one table, by which exports are refused and documented."""

from dataclasses import dataclass

from resnest_dense.errors import ResNeStValueError, near

__all__ = ["FAMILIES", "FORMATS", "PRECISIONS", "Format", "markdown", "reason", "require"]


@dataclass(frozen=True)
class Format:
    """A format of files.

    Args:
        suffix: of its files.
        runtime: what its files are run by.
    """

    suffix: str
    runtime: str


FORMATS = {
    "onnx": Format(".onnx", "onnxruntime"),
    "openvino": Format(".xml", "OpenVINO"),
    "torch-export": Format(".pt2", "torch 2.7 or newer"),
    "torchscript": Format(".pt", "torch, also from C++"),
}
DETECTORS = ("faster_rcnn", "mask_rcnn", "cascade_rcnn", "cascade_mask_rcnn", "keypoint_rcnn",
             "panoptic_fpn", "retinanet")
SEGMENTORS = ("deeplabv3", "deeplabv3plus", "fcn", "pspnet", "upernet")
FAMILIES = ("backbone", *DETECTORS, *SEGMENTORS)
PRECISIONS = ("float32", "float16", "int8")


@dataclass(frozen=True)
class _Refusal:
    """What is not possible; None means any."""

    why: str
    formats: tuple[str, ...]
    families: tuple[str, ...] | None = None
    precisions: tuple[str, ...] | None = None
    deformable: bool | None = None


_TORCH = ("torch-export", "torchscript")
_REFUSALS = (
    _Refusal("torch.export has no operator for suppression, and cannot follow a number of "
             "detections that images decide: use onnx, openvino or torchscript",
             ("torch-export",), DETECTORS),
    _Refusal("files of torch stay in float32; torch's own quantised ones run nowhere else: use "
             "onnx or openvino", _TORCH, precisions=("float16", "int8")),
    _Refusal("OpenVINO (to 2026.4) has no deformable convolution of groups that its ONNX reader "
             "takes: use onnx or torchscript", ("openvino",), deformable=True),
)


def reason(format: str, family: str, precision: str = "float32", deformable: bool = False
           ) -> str | None:
    """Why a model cannot be exported so; None where it can, with any batch and any image size."""
    for refusal in _REFUSALS:
        if (format in refusal.formats
                and (refusal.families is None or family in refusal.families)
                and (refusal.precisions is None or precision in refusal.precisions)
                and refusal.deformable in (None, deformable)):
            return refusal.why
    return None


def require(format: str, family: str, precision: str = "float32", deformable: bool = False) -> None:
    """Raises ResNeStValueError, with the reason, where :func:`reason` has one, or for an unknown
    word."""
    for value, known, what in ((format, FORMATS, "format"), (family, FAMILIES, "kind of model"),
                               (precision, PRECISIONS, "precision")):
        if value not in known:
            raise ResNeStValueError(f"Unknown {what} {value!r}. {near(value, known)}")
    if why := reason(format, family, precision, deformable):
        form = "deformable " * deformable
        raise ResNeStValueError(f"No {form}{family} as {format} in {precision}: {why}.")


def markdown() -> str:
    """The table as ``docs/export.md`` has it."""
    notes: list[str] = []
    head = "| | " + " | ".join(FORMATS) + " |\n|---" + "|---" * len(FORMATS) + "|\n"
    rows = []
    for family in FAMILIES:
        for deformable in (False, True):
            cells = []
            for format in FORMATS:
                works = [p for p in PRECISIONS if reason(format, family, p, deformable) is None]
                marks = []
                for precision in PRECISIONS:
                    why = reason(format, family, precision, deformable)
                    if why and why not in notes:
                        notes.append(why)
                    if why and notes.index(why) + 1 not in marks:
                        marks.append(notes.index(why) + 1)
                shown = ", ".join(works) or "no"
                cells.append(f"{shown} {' '.join(f'[{mark}]' for mark in marks)}".rstrip())
            rows.append((family + ", deformable" * deformable, cells))
    lines = ["| " + " | ".join([name, *cells]) + " |" for name, cells in rows]
    return head + "\n".join(lines) + "\n\n" + "\n".join(
        f"[{number}] {note}." for number, note in enumerate(notes, start=1)) + "\n"
