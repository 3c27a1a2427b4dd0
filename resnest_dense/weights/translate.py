"""A state dict in any layout, recognised from its names and translated into ours and back."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from resnest_dense.errors import ResNeStError
from resnest_dense.nn.stages import STAGE_NAMES
from resnest_dense.weights.layouts import LAYOUTS, Layout

__all__ = ["Translation", "detect_layout", "from_ours", "to_ours"]


def detect_layout(keys: Iterable[str], *, name: str = "the state dict") -> tuple[Layout, str]:
    """The layout of a state dict, and the prefix under which the ResNeSt's names stand in it.

    Args:
        keys: its names.
        name: what messages call it.

    Raises:
        ResNeStError: no ResNeSt, or more than one; the message says what the names look like.
    """
    keys = dict.fromkeys(keys)
    encoding = LAYOUTS["encoding"]
    found = []
    for layout in LAYOUTS.values():
        if layout is encoding:
            continue
        end = layout.attention_key
        prefixes = [key.removesuffix(end) for key in keys if key == end or key.endswith("." + end)]
        found += [(layout, prefix) for prefix in prefixes
                  if any(prefix + stem in keys for stem in layout.stem_keys)]
    if len(found) > 1:
        prefixes = ", ".join(repr(prefix) for _, prefix in found)
        raise ResNeStError(
            f"{name} holds {len(found)} ResNeSts, under the prefixes {prefixes}: save the entries "
            "of one of them to a file of their own and load that."
        )
    if not found:
        raise ResNeStError(f"{name} holds no ResNeSt: {_what_it_looks_like(keys)}.")
    layout, prefix = found[0]
    inside = layout.name == "upstream" and prefix.endswith(encoding.prefix)
    return (encoding if inside else layout), prefix


def _what_it_looks_like(keys: Collection[str]) -> str:
    blocks = []
    for number, stage in enumerate(STAGE_NAMES, start=1):
        pattern = re.compile(rf"(?:layer{number}|{stage})\.(\d+)\.conv2\.weight$")
        blocks.append(len({match[1] for match in map(pattern.search, keys) if match}))
    if all(blocks):
        counts = "-".join(map(str, blocks))
        return f"it looks like a plain ResNet with {counts} blocks, whose 3x3 have no attention"
    sample = ", ".join(list(keys)[:3])
    return f"its {len(keys)} entries start with {sample}" if keys else "it is empty"


@dataclass(frozen=True)
class Translation:
    """A state dict with its ResNeSt under our names.

    Args:
        layout: the layout that it had.
        prefix: what stood before the ResNeSt's names.
        backbone: our names, without prefix, to tensors.
        names: our names to those that the state dict had.
        rest: the other entries (heads), under the names that they had.
    """

    layout: Layout
    prefix: str
    backbone: dict[str, Tensor]
    names: dict[str, str]
    rest: dict[str, Tensor]


def to_ours(state: Mapping[str, Tensor], *, name: str = "the state dict") -> Translation:
    """``state``, in any layout, with the names of its ResNeSt translated into ours; no copies.

    Args:
        state: tensors by name.
        name: what messages call it.

    Raises:
        ResNeStError: no ResNeSt, more than one, or a deformable one of MMDetection.
    """
    layout, prefix = detect_layout(state, name=name)
    backbone, names, rest = {}, {}, {}
    for key, tensor in state.items():
        if key.startswith(prefix) and ".conv2.conv.conv_offset." in key:
            raise ResNeStError(
                f"{name}: {key} is of OpenMMLab's deformable ResNeSt, another network than the "
                "paper's (its offsets see all channels): load it with MMDetection."
            )
        ours = layout.to_ours(key.removeprefix(prefix)) if key.startswith(prefix) else None
        if ours is None:
            rest[key] = tensor
            continue
        if re.search(r"\.fc[12]\.weight$", ours) and tensor.dim() == 2:
            tensor = tensor[:, :, None, None]  # the fork's first files had linear layers here
        backbone[ours], names[ours] = tensor, key
    return Translation(layout, prefix, backbone, names, rest)


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
