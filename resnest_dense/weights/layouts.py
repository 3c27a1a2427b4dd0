"""The names that other code gives to the same weights: tables of renames in ``layouts.json``.

A row of a table is the name in the other layout and ours. A layout joins tables, and the first row
that fits a name decides: mmpretrain's first stage has stride 1, so no pool counts before the 1x1 of
its shortcut; "encoding" is the official network as the part "pretrained" of a segmentor.
"""

import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from resnest_dense.errors import ResNeStError, ResNeStValueError, near
from resnest_dense.nn.stages import STAGE_NAMES

__all__ = ["COUNTER", "LAYOUTS", "Layout", "from_ours", "get_layout"]

COUNTER = "num_batches_tracked"

Table = tuple[tuple[str, str], ...]

_FIELDS = {
    "block": r"\d+",
    "norm": rf"weight|bias|running_mean|running_var|{COUNTER}",
    "leaf": "weight|bias",
    "branch": "[0-3]",
    "layer": "fc1|fc2|spatial",
    "part": ".+",
}


@dataclass(frozen=True)
class Layout:
    """One way to name the weights of a ResNeSt, and of the heads around it."""

    name: str  # what :func:`get_layout` knows it by
    prefix: str  # put before the names when a backbone is written in this layout
    stages: tuple[str, ...]  # names of the four stages
    # Rows (name in this layout, our name) with the fields {stage}, {block}, {norm} and {leaf}.
    renames: Table
    # The same of heads, ours being those of a segmentor, with the fields {branch} and {part}; what
    # no row fits is called the same.
    heads: Table = ()

    @property
    def stem_keys(self) -> tuple[str, ...]:
        """The names that the stem's first convolution can have."""
        return tuple(theirs for theirs, ours in self.renames
                     if ours in ("stem.conv1_1.weight", "stem.conv1.weight"))

    @property
    def block_key(self) -> str:
        """A name that every network of bottlenecks has."""
        return str(self.from_ours(f"{STAGE_NAMES[0]}.0.conv3.weight"))

    def to_ours(self, name: str) -> str | None:
        """Our name of ``name``, without prefix; None where no row fits."""
        return _rename(name, self.renames, dict(zip(self.stages, STAGE_NAMES)))

    def from_ours(self, name: str) -> str | None:
        """The name in this layout, without prefix, of our ``name``; None where it has none."""
        rows = ((ours, theirs) for theirs, ours in self.renames)
        return _rename(name, rows, dict(zip(STAGE_NAMES, self.stages)))

    def head_to_ours(self, name: str) -> str:
        """What a segmentor of ours calls the weight ``name`` of a head."""
        return _rename(name, self.heads, {}) or name


def _rename(name: str, rows: Iterable[tuple[str, str]], stages: Mapping[str, str]) -> str | None:
    for template, wanted in rows:
        if match := _pattern(template, tuple(stages)).fullmatch(name):
            fields = match.groupdict()
            return wanted.format(**{**fields, "stage": stages.get(fields.get("stage", ""))})
    return None


@functools.cache
def _pattern(template: str, stages: tuple[str, ...]) -> re.Pattern:
    pattern = re.escape(template)
    for name, values in {**_FIELDS, "stage": "|".join(stages)}.items():
        pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>{values})")
    return re.compile(pattern)


def _read_layouts() -> dict[str, Layout]:
    content = json.loads(Path(__file__).with_name("layouts.json").read_text(encoding="utf-8"))

    def rows(tables: list[str]) -> Table:
        return tuple(row for table in tables for row in content["tables"][table].items())

    return {name: Layout(name, row["prefix"], tuple(row["stages"]), rows(row["renames"]),
                         rows(row["heads"])) for name, row in content["layouts"].items()}


LAYOUTS = _read_layouts()
# timm's names are the official torch code's for networks with that code's stem, torchvision's for
# those with a plain one, and its own for selective kernels.
_ALIASES = {"timm": ("upstream", "torchvision", "timm_sk")}


def get_layout(name: str, backbone: Iterable[str] = ()) -> Layout:
    """The layout called ``name``: "detectron2" (ours), "upstream" (official torch code, torch hub),
    "torchvision", "timm" (one of these two, or "timm_sk"), "mm" (mmseg, mmdet), "mmpretrain",
    "encoding" (PyTorch-Encoding) or "caffe2" (detectron2's MSRA files).

    Args:
        name: of the layout.
        backbone: names of weights, as ours, which decide where code names networks differently.

    Raises:
        ResNeStValueError: an unknown name; the message lists the known ones.
    """
    if name not in LAYOUTS and name not in _ALIASES:
        raise ResNeStValueError(f"Unknown layout {name!r}. {near(name, [*LAYOUTS, *_ALIASES])}")
    layouts = [LAYOUTS[one] for one in _ALIASES.get(name, (name,))]
    return next((layout for layout in layouts if all(map(layout.from_ours, backbone))), layouts[0])


def from_ours(backbone: Mapping[str, Tensor], layout: Layout, *, prefix: str) -> dict[str, Tensor]:
    """``backbone``, under our names, with ``prefix`` and the names of ``layout``; no copies.

    Raises:
        ResNeStError: the layout has no name for an entry.
    """
    renamed = {}
    for ours, tensor in backbone.items():
        theirs = layout.from_ours(ours)
        if theirs is None:
            raise ResNeStError(f"Layout {layout.name!r} has no name for {ours}: its code builds no "
                               "such part. Layout 'detectron2' has names for all.")
        renamed[prefix + theirs] = tensor
    return renamed
