"""The names that other code gives to the same weights: one table of renames a layout."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from resnest_dense.errors import ResNeStError, ResNeStValueError, near
from resnest_dense.nn.stages import STAGE_NAMES

__all__ = ["COUNTER", "LAYOUTS", "Layout", "from_ours", "get_layout"]

COUNTER = "num_batches_tracked"

Table = tuple[tuple[str, str], ...]
_Rows = list[tuple[re.Pattern, str]]

_FIELDS = {
    "block": r"\d+",
    "norm": rf"weight|bias|running_mean|running_var|{COUNTER}",
    "leaf": "weight|bias",
    "branch": "[0-3]",
    "part": ".+",
}
_LAYERS = ("layer1", "layer2", "layer3", "layer4")

# Each row: the name in the other layout, our name. The first row that fits a name decides.
_BLOCK = (
    ("{stage}.{block}.conv1.weight", "{stage}.{block}.conv1.weight"),
    ("{stage}.{block}.bn1.{norm}", "{stage}.{block}.conv1.norm.{norm}"),
    ("{stage}.{block}.conv2.conv.weight", "{stage}.{block}.conv2.conv.weight"),
    ("{stage}.{block}.conv2.bn0.{norm}", "{stage}.{block}.conv2.bn0.{norm}"),
    ("{stage}.{block}.conv2.fc1.{leaf}", "{stage}.{block}.conv2.fc1.{leaf}"),
    ("{stage}.{block}.conv2.bn1.{norm}", "{stage}.{block}.conv2.bn1.{norm}"),
    ("{stage}.{block}.conv2.fc2.{leaf}", "{stage}.{block}.conv2.fc2.{leaf}"),
    ("{stage}.{block}.conv3.weight", "{stage}.{block}.conv3.weight"),
    ("{stage}.{block}.bn3.{norm}", "{stage}.{block}.conv3.norm.{norm}"),
    ("{stage}.{block}.downsample.1.weight", "{stage}.{block}.shortcut.weight"),
    ("{stage}.{block}.downsample.2.{norm}", "{stage}.{block}.shortcut.norm.{norm}"),
    ("fc.{leaf}", "linear.{leaf}"),
)


def _stem(*names: tuple[str, str]) -> Table:
    """The rows of the three convolutions of a deep stem, from their names and their norms'."""
    return tuple(row for number, (conv, norm) in enumerate(names, start=1) for row in (
        (f"{conv}.weight", f"stem.conv1_{number}.weight"),
        (f"{norm}.{{norm}}", f"stem.conv1_{number}.norm.{{norm}}")))


_UPSTREAM = (
    *_stem(("conv1.0", "conv1.1"), ("conv1.3", "conv1.4"), ("conv1.6", "bn1")),
    *_BLOCK,
)
_MM = (
    *_stem(("stem.0", "stem.1"), ("stem.3", "stem.4"), ("stem.6", "stem.7")),
    *_BLOCK,
)
_MMPRETRAIN = (
    *_stem(*((f"stem.{i}.conv", f"stem.{i}.bn") for i in range(3))),
    # Its first stage has stride 1, and there no pool in front that would count.
    ("layer1.{block}.downsample.0.weight", "res2.{block}.shortcut.weight"),
    ("layer1.{block}.downsample.1.{norm}", "res2.{block}.shortcut.norm.{norm}"),
    *_BLOCK,
)
_DETECTRON2 = (
    *((ours, ours) for ours in dict(_UPSTREAM).values()),
    ("stem.conv1.weight", "stem.conv1.weight"),
    ("stem.conv1.norm.{norm}", "stem.conv1.norm.{norm}"),
    ("{stage}.{block}.conv2_offset.{leaf}", "{stage}.{block}.conv2_offset.{leaf}"),
    # The first files of the fork (docs/recipes.md 2.6); read, never written.
    ("{stage}.{block}.conv2.bn.{norm}", "{stage}.{block}.conv2.bn0.{norm}"),
)


# PyTorch-Encoding's names of the parts of its heads, ours in a segmentor of MMSegmentation.
_ENCODING_HEADS = (
    ("head.aspp.b{branch}.0.{part}", "decode_head.aspp_modules.{branch}.conv.{part}"),
    ("head.aspp.b{branch}.1.{part}", "decode_head.aspp_modules.{branch}.bn.{part}"),
    ("head.aspp.b4.gap.1.{part}", "decode_head.pooled.conv.{part}"),
    ("head.aspp.b4.gap.2.{part}", "decode_head.pooled.bn.{part}"),
    ("head.aspp.project.0.{part}", "decode_head.project.conv.{part}"),
    ("head.aspp.project.1.{part}", "decode_head.project.bn.{part}"),
    ("head.block.0.{part}", "decode_head.fuse.conv.{part}"),
    ("head.block.1.{part}", "decode_head.fuse.bn.{part}"),
    ("head.block.4.{part}", "decode_head.conv_seg.{part}"),
    ("head.conv5.0.{part}", "decode_head.convs.0.conv.{part}"),
    ("head.conv5.1.{part}", "decode_head.convs.0.bn.{part}"),
    ("head.conv5.4.{part}", "decode_head.conv_seg.{part}"),
    ("auxlayer.conv5.0.{part}", "auxiliary_head.convs.0.conv.{part}"),
    ("auxlayer.conv5.1.{part}", "auxiliary_head.convs.0.bn.{part}"),
    ("auxlayer.conv5.4.{part}", "auxiliary_head.conv_seg.{part}"),
)


@dataclass(frozen=True)
class Layout:
    """One way to name the weights of a ResNeSt, and of the heads around it.

    Args:
        name: what :func:`get_layout` knows it by.
        prefix: what is put before the names when a backbone is written in this layout.
        stages: names of the four stages.
        renames: rows (name in this layout, our name) with the fields {stage}, {block}, {norm} and
            {leaf}; the first row that fits decides.
        heads: rows (name of a head's part in this layout, in a segmentor of ours) with the fields
            {branch} and {part}; what no row fits is called the same.
    """

    name: str
    prefix: str
    stages: tuple[str, ...]
    renames: Table
    heads: Table = ()

    @property
    def stem_keys(self) -> tuple[str, ...]:
        """The names that the stem's first convolution can have."""
        return tuple(theirs for theirs, ours in self.renames
                     if ours in ("stem.conv1_1.weight", "stem.conv1.weight"))

    @property
    def attention_key(self) -> str:
        """A name that a ResNeSt has and a plain ResNet has not."""
        return f"{self.stages[0]}.0.conv2.fc1.weight"

    def to_ours(self, name: str) -> str | None:
        """Our name of ``name``, without prefix; None where no row fits."""
        return _rename(name, self._to_ours, dict(zip(self.stages, STAGE_NAMES)))

    def from_ours(self, name: str) -> str | None:
        """The name in this layout, without prefix, of our ``name``; None where it has none."""
        return _rename(name, self._from_ours, dict(zip(STAGE_NAMES, self.stages)))

    def head_to_ours(self, name: str) -> str:
        """What a segmentor of ours calls the weight ``name`` of a head."""
        return _rename(name, self._heads_to_ours, {}) or name

    @functools.cached_property
    def _to_ours(self) -> _Rows:
        return [(_pattern(theirs, self.stages), ours) for theirs, ours in self.renames]

    @functools.cached_property
    def _from_ours(self) -> _Rows:
        return [(_pattern(ours, STAGE_NAMES), theirs) for theirs, ours in self.renames]

    @functools.cached_property
    def _heads_to_ours(self) -> _Rows:
        return [(_pattern(theirs, ()), ours) for theirs, ours in self.heads]


def _pattern(template: str, stages: Iterable[str]) -> re.Pattern:
    pattern = re.escape(template)
    for name, values in {**_FIELDS, "stage": "|".join(stages)}.items():
        pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>{values})")
    return re.compile(pattern)


def _rename(name: str, rows: _Rows, stages: Mapping[str, str]) -> str | None:
    for pattern, template in rows:
        if match := pattern.fullmatch(name):
            fields = match.groupdict()
            return template.format(**{**fields, "stage": stages.get(fields.get("stage", ""))})
    return None


LAYOUTS = {layout.name: layout for layout in (
    Layout("detectron2", "backbone.bottom_up.", STAGE_NAMES, _DETECTRON2),
    Layout("upstream", "", _LAYERS, _UPSTREAM),
    Layout("mm", "", _LAYERS, _MM),
    Layout("mmpretrain", "", _LAYERS, _MMPRETRAIN),
    # The official torch network as the part "pretrained" of a segmentor.
    Layout("encoding", "pretrained.", _LAYERS, _UPSTREAM, _ENCODING_HEADS),
)}
# timm's names are those of the official torch code.
_ALIASES = {"timm": "upstream"}


def get_layout(name: str) -> Layout:
    """The layout called ``name``: "detectron2" (ours), "upstream" (official torch code, torch hub),
    "timm" (the same), "mm" (mmseg, mmdet), "mmpretrain" or "encoding" (PyTorch-Encoding).

    Raises:
        ResNeStValueError: an unknown name; the message lists the known ones.
    """
    name = _ALIASES.get(name, name)
    if name not in LAYOUTS:
        raise ResNeStValueError(f"Unknown layout {name!r}. {near(name, [*LAYOUTS, *_ALIASES])}")
    return LAYOUTS[name]


def from_ours(backbone: Mapping[str, Tensor], layout: Layout, *, prefix: str) -> dict[str, Tensor]:
    """``backbone``, under our names, with ``prefix`` and the names of ``layout``; no copies.

    Raises:
        ResNeStError: the layout has no name for an entry.
    """
    renamed = {}
    for ours, tensor in backbone.items():
        theirs = layout.from_ours(ours)
        if theirs is None:
            raise ResNeStError(
                f"Layout {layout.name!r} has no name for {ours}: its code builds no such part. "
                "Layout 'detectron2' has names for all."
            )
        renamed[prefix + theirs] = tensor
    return renamed
