"""What an exported model says of itself: what goes in, what comes out, what it was made from.

It is written as JSON into the file (``metadata_props["resnest_dense"]`` of ONNX, ``rt_info`` of
OpenVINO) and beside it, into ``F.json`` of a file ``F``.

The graphs. ``images`` (N, 3, H, W) are resized as ``resize`` says and padded at the right and the
bottom with ``pad_value``, so that H and W are multiples of ``size_divisor``: float32 in
``channel_order``, less ``mean`` and divided by ``std``, where ``preprocess`` is "outside"; uint8 in
RGB where it is "inside". A detector also takes ``sizes`` (N, 2) int64, height and width of each
image before padding, and gives, of all K detections of the batch, ``boxes`` (K, 4) float32 x0 y0 x1
y1 in pixels of ``images``, ``scores`` (K) float32, ``classes`` (K) int64, ``image_index`` (K) int64
in 0..N-1, and where it has them ``masks`` (K, S, S) probabilities in the box and ``keypoints``
(K, J, 3) x, y, score. A panoptic one adds ``semantic`` (N, C, h, w) logits; a segmentor gives
``logits`` (N, C, h, w). Features are named (``res2``, ``p3``, ...), each (N, C, h, w).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from resnest_dense.errors import ResNeStValueError, near

__all__ = ["KEY", "Classes", "Contract", "Panoptic", "Resize", "Thresholds", "Window"]

KEY = "resnest_dense"  # of the metadata in a file
_VERSION = 1


class _Record:
    """A frozen dataclass whose values are checked, and made from what JSON gives."""

    @classmethod
    def from_dict(cls, content: object, name: str = "contract") -> Any:
        """Made from a parsed JSON object, of which ``name`` says what it is in errors.

        Raises:
            ResNeStValueError: an entry that is unknown, lacking or of another kind.
        """
        if not isinstance(content, Mapping):
            raise ResNeStValueError(f"{name} is {content!r}: an object is needed.")
        known = get_type_hints(cls)
        for key in content:
            if key not in known:
                raise ResNeStValueError(f"{name}.{key} is unknown. {near(key, known)}")
        try:
            return cls(**content)
        except TypeError as error:
            raise ResNeStValueError(f"{name} is not complete: {error}.") from error

    def __post_init__(self) -> None:
        for key, hint in get_type_hints(type(self)).items():
            name = f"{type(self).__name__.lower()}.{key}"
            object.__setattr__(self, key, _convert(getattr(self, key), hint, name))


def _convert(value: Any, hint: Any, name: str) -> Any:
    """What JSON has made of a value of the type ``hint``, turned back."""
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kind, inner = get_origin(options[0]) or options[0], get_args(options[0])
    if type(value) is kind and not inner or value is None and NoneType in options:
        return value
    if kind is Literal:
        if value in inner:
            return value
        raise ResNeStValueError(f"{name} is {value!r}: use one of "
                                f"{', '.join(map(repr, inner))}.")
    if issubclass(kind, _Record):
        return kind.from_dict(value, name)
    if kind is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        if inner[-1] is Ellipsis or len(value) == len(inner):
            return tuple(_convert(one, inner[0], name) for one in value)
    elif kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif kind is Mapping and isinstance(value, Mapping):
        return dict(value)
    raise ResNeStValueError(f"{name} is {value!r}: that is no {hint if inner else kind.__name__}.")


Colour = tuple[int, int, int]  # red, green, blue, 0 to 255


@dataclass(frozen=True)
class Classes(_Record):
    """The classes in the order of the network's outputs: things, or what a segmentor labels."""

    ids: tuple[int, ...] = ()  # in results: category ids, or the values in label PNGs
    names: tuple[str, ...] = ()
    palette: tuple[Colour, ...] = ()  # chosen by the runner when empty
    stuff_ids: tuple[int, ...] = ()  # of a panoptic model; the first one stands for all things
    stuff_names: tuple[str, ...] = ()
    stuff_palette: tuple[Colour, ...] = ()
    keypoints: tuple[str, ...] = ()  # names
    skeleton: tuple[tuple[int, int], ...] = ()  # pairs of keypoints that are joined by a line

    def __post_init__(self) -> None:
        super().__post_init__()
        for names, kinds in (("names", ("ids", "palette")),
                             ("stuff_names", ("stuff_ids", "stuff_palette"))):
            count = len(getattr(self, names))
            for kind in kinds:
                given = len(getattr(self, kind))
                if given != count and not (kind.endswith("palette") and not given):
                    raise ResNeStValueError(
                        f"{given} classes.{kind} of a contract for {count} {names}.")


@dataclass(frozen=True)
class Resize(_Record):
    """How an image is resized, and by whose bilinear filter.

    "shortest": the shorter side becomes ``size[0]``, the longer one at most ``size[1]``
    (detectron2); "fit": as large as fits into ``size``, longer and shorter side, in either
    orientation (MMSegmentation, ``keep_ratio``); "stretch": to height ``size[0]`` and width
    ``size[1]``; "none": stays as it is.
    """

    policy: Literal["shortest", "fit", "stretch", "none"]
    size: tuple[int, int] = (0, 0)
    filter: Literal["pillow", "opencv"] = "pillow"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.policy != "none" and min(self.size) < 1:
            raise ResNeStValueError(f"resize.size={self.size} of a contract: give two sides in "
                                    "pixels.")


@dataclass(frozen=True)
class Window(_Record):
    """The windows in which a segmentor looks at an image (MMSegmentation's ``slide``)."""

    size: tuple[int, int]  # height, width
    stride: tuple[int, int]


@dataclass(frozen=True)
class Thresholds(_Record):
    """What the graph of a detector has left out already."""

    score: float
    suppression: float
    detections: int  # the most of an image


@dataclass(frozen=True)
class Panoptic(_Record):
    """How things and stuff are put together, as in detectron2."""

    overlap: float = 0.5  # share of a thing that others may hide
    stuff_area: int = 4096  # least pixels of a stuff segment
    score: float = 0.5  # least one of a thing


@dataclass(frozen=True)
class Contract(_Record):
    """See the module; ``from_json`` and ``to_json`` are what a file holds.

    Raises:
        ResNeStValueError: a value that is none of those possible, or does not fit the others.
    """

    task: Literal["detect", "panoptic", "segment", "features"]
    package: str  # version of resnest_dense that wrote it
    classes: Classes
    channel_order: Literal["RGB", "BGR"]
    mean: tuple[float, float, float]  # of 0..255, in channel_order
    std: tuple[float, float, float]
    resize: Resize
    size_divisor: int = 1
    pad_value: float = 0.0  # in the units of `images`
    preprocess: Literal["outside", "inside"] = "outside"
    thresholds: Thresholds | None = None  # of a detector
    panoptic: Panoptic | None = None
    align_corners: bool = False  # how `logits` and `semantic` are resized
    window: Window | None = None
    precision: Literal["float32", "float16", "int8"] = "float32"
    kept_higher: tuple[str, ...] = ()  # layers that stayed in higher precision
    made_from: Mapping[str, Any] = field(default_factory=dict)  # config, checkpoint, sha256
    check: Mapping[str, Any] = field(default_factory=dict)  # the exporter's report
    format_version: int = _VERSION

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.format_version != _VERSION:
            raise ResNeStValueError(
                f"format_version={self.format_version} of a contract: this resnest_dense reads "
                f"{_VERSION}. Update it, or export the model anew.")
        if self.size_divisor < 1 or min(self.std) <= 0:
            raise ResNeStValueError("size_divisor and std of a contract must be above 0.")
        if self.detects and self.thresholds is None:
            raise ResNeStValueError(f"A contract of the task {self.task!r} needs thresholds.")
        if self.task == "panoptic" and (self.panoptic is None or not self.classes.stuff_names):
            raise ResNeStValueError("A panoptic contract needs panoptic and classes.stuff_names.")
        if self.task != "features" and not self.classes.names:
            raise ResNeStValueError(f"A contract of the task {self.task!r} needs classes.names.")

    @property
    def detects(self) -> bool:
        """Whether there are boxes among the outputs."""
        return self.task in ("detect", "panoptic")

    def to_json(self) -> str:
        """What is written into a file and beside it."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Contract":
        """Raises ResNeStValueError for text that is no contract, and says why."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ResNeStValueError(f"A contract that is no JSON: {error}.") from error
        return cls.from_dict(content)
