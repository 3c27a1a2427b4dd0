"""The names that other code gives to the same weights: one table of renames a layout."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from resnest_dense.errors import ResNeStValueError, near
from resnest_dense.nn.stages import STAGE_NAMES

__all__ = ["COUNTER", "LAYOUTS", "Layout", "get_layout"]

COUNTER = "num_batches_tracked"

_FIELDS = {
    "block": r"\d+",
    "norm": rf"weight|bias|running_mean|running_var|{COUNTER}",
    "leaf": "weight|bias",
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
_UPSTREAM = (
    ("conv1.0.weight", "stem.conv1_1.weight"),
    ("conv1.1.{norm}", "stem.conv1_1.norm.{norm}"),
    ("conv1.3.weight", "stem.conv1_2.weight"),
    ("conv1.4.{norm}", "stem.conv1_2.norm.{norm}"),
    ("conv1.6.weight", "stem.conv1_3.weight"),
    ("bn1.{norm}", "stem.conv1_3.norm.{norm}"),
    *_BLOCK,
)
_MM = (
    ("stem.0.weight", "stem.conv1_1.weight"),
    ("stem.1.{norm}", "stem.conv1_1.norm.{norm}"),
    ("stem.3.weight", "stem.conv1_2.weight"),
    ("stem.4.{norm}", "stem.conv1_2.norm.{norm}"),
    ("stem.6.weight", "stem.conv1_3.weight"),
    ("stem.7.{norm}", "stem.conv1_3.norm.{norm}"),
    *_BLOCK,
)
_MMPRETRAIN = (
    ("stem.0.conv.weight", "stem.conv1_1.weight"),
    ("stem.0.bn.{norm}", "stem.conv1_1.norm.{norm}"),
    ("stem.1.conv.weight", "stem.conv1_2.weight"),
    ("stem.1.bn.{norm}", "stem.conv1_2.norm.{norm}"),
    ("stem.2.conv.weight", "stem.conv1_3.weight"),
    ("stem.2.bn.{norm}", "stem.conv1_3.norm.{norm}"),
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
    # The first files of the fork (recipes.md 2.6); read, never written.
    ("{stage}.{block}.conv2.bn.{norm}", "{stage}.{block}.conv2.bn0.{norm}"),
)


@dataclass(frozen=True)
class Layout:
    """One way to name the weights of a ResNeSt.

    Args:
        name: what :func:`get_layout` knows it by.
        prefix: what is put before the names when a backbone is written in this layout.
        stages: names of the four stages.
        renames: rows (name in this layout, our name) with the fields {stage}, {block}, {norm} and
            {leaf}; the first row that fits decides.
    """

    name: str
    prefix: str
    stages: tuple[str, ...]
    renames: tuple[tuple[str, str], ...]
    _to_ours: tuple = field(init=False, repr=False, compare=False)
    _from_ours: tuple = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        there = [(_pattern(theirs, self.stages), ours) for theirs, ours in self.renames]
        back = [(_pattern(ours, STAGE_NAMES), theirs) for theirs, ours in self.renames]
        object.__setattr__(self, "_to_ours", tuple(there))
        object.__setattr__(self, "_from_ours", tuple(back))

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


def _pattern(template: str, stages: Iterable[str]) -> re.Pattern:
    pattern = re.escape(template)
    for name, values in {**_FIELDS, "stage": "|".join(stages)}.items():
        pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>{values})")
    return re.compile(pattern)


def _rename(name: str, rows: tuple, stages: Mapping[str, str]) -> str | None:
    for pattern, template in rows:
        if match := pattern.fullmatch(name):
            fields = match.groupdict()
            return template.format(**{**fields, "stage": stages.get(fields.get("stage"))})
    return None


LAYOUTS = {layout.name: layout for layout in (
    Layout("detectron2", "backbone.bottom_up.", STAGE_NAMES, _DETECTRON2),
    Layout("upstream", "", _LAYERS, _UPSTREAM),
    Layout("mm", "", _LAYERS, _MM),
    Layout("mmpretrain", "", _LAYERS, _MMPRETRAIN),
    # The official torch network as the part "pretrained" of a segmentor.
    Layout("encoding", "pretrained.", _LAYERS, _UPSTREAM),
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
