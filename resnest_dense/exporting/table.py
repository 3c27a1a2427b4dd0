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
FAMILIES = ("backbone", "pyramid", *DETECTORS, *SEGMENTORS)
PRECISIONS = ("float32", "float16", "int8")


@dataclass(frozen=True)
class _Refusal:
    """What is not possible; None means any."""

    why: str
    formats: tuple[str, ...]
    families: tuple[str, ...] | None = None
    precisions: tuple[str, ...] | None = None
    deformable: bool | None = None


_REFUSALS = (
    _Refusal("torch.export has no operator for suppression, and cannot follow a number of "
             "detections that images decide: use onnx, openvino or torchscript",
             ("torch-export",), DETECTORS),
    _Refusal("torch.export takes it for constant whether a side of a map is odd, which pools of "
             "detectron2's pyramids ask: use onnx, openvino or torchscript",
             ("torch-export",), ("pyramid",)),
    _Refusal("files of torch keep the weights' own float32: use onnx or openvino",
             ("torch-export", "torchscript"), precisions=("float16", "int8")),
    _Refusal("OpenVINO's reader of ONNX has no DeformConv (to 2026.4): use onnx or torchscript",
             ("openvino",), deformable=True),
    _Refusal("OpenVINO 2026.4 can read zeros from a map in 8 bits that several layers take, as a "
             "pyramid's are; where heads were tried, only those of faster_rcnn and retinanet came "
             "out right: use onnx", ("openvino",),
             ("mask_rcnn", "cascade_rcnn", "cascade_mask_rcnn", "keypoint_rcnn", "panoptic_fpn"),
             precisions=("int8",)),
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
    """The table as ``docs/export.md`` has it: families whose cells are the same share a row."""
    notes: list[str] = []
    rows: dict[tuple[str, ...], list[str]] = {}
    for deformable in (False, True):
        for family in FAMILIES[:-len(SEGMENTORS)] if deformable else FAMILIES:
            cells = tuple(_cell(format, family, deformable, notes) for format in FORMATS)
            rows.setdefault(cells, []).append(f"deformable {family}" if deformable else family)
    lines = [["", *FORMATS], ["---"] * (1 + len(FORMATS)),
             *([", ".join(names), *cells] for cells, names in rows.items())]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return table + "\n\n" + "\n".join(
        f"[{number}] {note}." for number, note in enumerate(notes, start=1)) + "\n"


def _cell(format: str, family: str, deformable: bool, notes: list[str]) -> str:
    """The precisions that there are, and numbers of the reasons why others are not."""
    reasons = {precision: reason(format, family, precision, deformable) for precision in PRECISIONS}
    notes += [why for why in dict.fromkeys(reasons.values()) if why and why not in notes]
    marks = sorted({notes.index(why) + 1 for why in reasons.values() if why})
    works = ", ".join(precision for precision, why in reasons.items() if why is None)
    return " ".join([works or "no", *(f"[{mark}]" for mark in marks)])
