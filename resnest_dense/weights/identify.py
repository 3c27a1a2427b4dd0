"""Which ResNeSt a state dict holds: the layout of its names, and the network by its shapes."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from resnest_dense.architectures import Architecture, get_architecture, list_architectures
from resnest_dense.errors import ResNeStError, listed
from resnest_dense.nn.stages import STAGE_NAMES
from resnest_dense.weights.layouts import LAYOUTS, Layout

__all__ = ["Translation", "describe", "detect_layout", "possible_architectures",
           "read_architecture", "to_ours"]


def detect_layout(keys: Iterable[str], *, name: str = "the state dict") -> tuple[Layout, str]:
    """The layout of a state dict, and the prefix under which the ResNeSt's names stand in it.

    Raises:
        ResNeStError: no ResNeSt, or more than one; the message says what the names look like.
    """
    keys = dict.fromkeys(keys)
    encoding = LAYOUTS["encoding"]
    found = []
    for layout in LAYOUTS.values():
        end = layout.attention_key
        prefixes = [key.removesuffix(end) for key in keys if key == end or key.endswith("." + end)]
        found += [(layout, prefix) for prefix in prefixes
                  if layout is not encoding
                  and any(prefix + stem in keys for stem in layout.stem_keys)]
    if len(found) > 1:
        places = listed(repr(prefix) for _, prefix in found)
        raise ResNeStError(f"{name} holds {len(found)} ResNeSts, under the prefixes {places}: "
                           "save the entries of one of them to a file of their own and load that.")
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
    sample = listed(keys, most=3)
    return f"its {len(keys)} entries start with {sample}" if keys else "it is empty"


@dataclass(frozen=True)
class Translation:
    """A state dict with its ResNeSt under our names."""

    layout: Layout  # that it had
    prefix: str  # what stood before the ResNeSt's names
    backbone: dict[str, Tensor]  # by our names, without prefix
    names: dict[str, str]  # our names to those that the state dict had
    rest: dict[str, Tensor]  # the other entries (heads), under the names that they had

    def segmentor(self) -> dict[str, Tensor]:
        """The whole state dict under the names of a segmentor of MMSegmentation with our parts.

        The classifier of ImageNet, which PyTorch-Encoding's segmentors keep, is left out.
        """
        backbone = {f"backbone.{name}": tensor for name, tensor in self.backbone.items()
                    if not name.startswith("linear.")}
        heads = {self.layout.head_to_ours(name): tensor for name, tensor in self.rest.items()}
        return {**backbone, **heads}


def to_ours(state: Mapping[str, Tensor], *, name: str = "the state dict") -> Translation:
    """``state``, in any layout, with the names of its ResNeSt translated into ours; no copies.

    Raises:
        ResNeStError: no ResNeSt, more than one, or a deformable one of MMDetection.
    """
    layout, prefix = detect_layout(state, name=name)
    backbone, names, rest = {}, {}, {}
    for key, tensor in state.items():
        if key.startswith(prefix) and ".conv2.conv.conv_offset." in key:
            raise ResNeStError(f"{name}: {key} is of OpenMMLab's deformable ResNeSt, another "
                               "network than the paper's (its offsets see all channels): load it "
                               "with MMDetection.")
        ours = layout.to_ours(key.removeprefix(prefix)) if key.startswith(prefix) else None
        if ours is None:
            rest[key] = tensor
            continue
        if re.search(r"\.fc[12]\.weight$", ours) and tensor.dim() == 2:
            tensor = tensor[:, :, None, None]  # the fork's first files had linear layers here
        backbone[ours], names[ours] = tensor, key
    return Translation(layout, prefix, backbone, names, rest)


def possible_architectures(backbone: Mapping[str, Tensor]) -> list[str]:
    """Names of the architectures that have these weights; several, as pooling leaves no trace.

    Args:
        backbone: weights of all four stages under our names, without prefix.
    """
    found = read_architecture(backbone)
    return [name for name in list_architectures()
            if replace(get_architecture(name), avd_first=False) == found]


def describe(backbone: Mapping[str, Tensor]) -> str:
    """A few words on the network, as "resnest101 (3-4-23-3 blocks, stem width 64, ...)"."""
    architecture = read_architecture(backbone)
    if architecture is None:
        return "a part of a ResNeSt"
    names = possible_architectures(backbone) or ["a ResNeSt of its own kind"]
    deformable = any("conv2_offset" in name for name in backbone)
    return (f"{' or '.join(names)} ({'-'.join(map(str, architecture.blocks))} blocks, stem width "
            f"{architecture.stem_width}, radix {architecture.radix}, cardinality "
            f"{architecture.cardinality}, {'deformable' if deformable else 'not deformable'})")


def read_architecture(backbone: Mapping[str, Tensor]) -> Architecture | None:
    """The architecture that has these weights, where its pools leave a choice the usual one; None
    for a part of a network.

    Args:
        backbone: weights under our names, without prefix.
    """
    res2, res3, res4, res5 = (
        len({match[1] for name in backbone
             if (match := re.match(rf"{stage}\.(\d+)\.conv1\.weight", name))})
        for stage in STAGE_NAMES)
    blocks = (res2, res3, res4, res5)
    stem = backbone.get("stem.conv1_1.weight")
    narrow, wide = (backbone.get(f"res2.0.{name}.weight") for name in ("conv1", "conv2.conv"))
    if narrow is None or wide is None or narrow.dim() != 4 or wide.dim() != 4 or not all(blocks):
        return None
    width = narrow.shape[0]
    radix = max(wide.shape[0] // width, 1)
    # A grouped convolution has a weight for the channels of one of its groups only.
    cardinality = max(width // (wide.shape[1] * radix), 1)
    return Architecture(
        blocks, stem_width=64 if stem is None else stem.shape[0], radix=radix,
        cardinality=cardinality, bottleneck_width=width // cardinality, deep_stem=stem is not None)
