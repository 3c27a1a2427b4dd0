"""Which network a state dict holds: the layout of its names, and the network by its shapes."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from resnest_dense.architectures import Architecture, get_architecture, list_architectures
from resnest_dense.errors import ResNeStError, listed
from resnest_dense.nn.stages import STAGE_NAMES
from resnest_dense.weights.layouts import LAYOUTS, Layout

__all__ = ["Translation", "describe", "detect_layout", "possible_architectures",
           "read_architecture", "to_ours"]

# A weight that each kind of 3x3 has, in the first block.
_SPATIAL_KEYS = {"split": "conv2.conv.weight", "conv": "conv2.weight",
                 "sk": "conv2.paths.0.weight"}


def detect_layout(keys: Iterable[str], *, name: str = "the state dict") -> tuple[Layout, str]:
    """The layout of a state dict, and the prefix under which the backbone's names stand in it.

    Raises:
        ResNeStError: no backbone, or more than one; the message says what the names look like.
    """
    keys = dict.fromkeys(keys)
    encoding = LAYOUTS["encoding"]
    found = []
    for layout in LAYOUTS.values():
        end = layout.block_key
        prefixes = [key.removesuffix(end) for key in keys if key == end or key.endswith("." + end)]
        found += [(layout, prefix) for prefix in prefixes
                  if layout is not encoding
                  and any(prefix + stem in keys for stem in layout.stem_keys)]
    if len(found) > 1:
        places = listed(repr(prefix) for _, prefix in found)
        raise ResNeStError(f"{name} holds {len(found)} backbones, under the prefixes {places}: "
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
        return (f"it looks like a plain ResNet with {counts} blocks, basic ones: every network "
                "here has bottlenecks")
    sample = listed(keys, most=3)
    return f"its {len(keys)} entries start with {sample}" if keys else "it is empty"


@dataclass(frozen=True)
class Translation:
    """A state dict with its backbone under our names."""

    layout: Layout  # that it had
    prefix: str  # what stood before the backbone's names
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
    """``state``, in any layout, with the names of its backbone translated into ours; no copies.

    Raises:
        ResNeStError: no backbone, more than one, or a deformable one of MMDetection.
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
    if layout.name == "caffe2":
        _add_statistics(backbone, names)
    return Translation(layout, prefix, backbone, names, rest)


def _add_statistics(backbone: dict[str, Tensor], names: dict[str, str]) -> None:
    """Those of norms of which a file has the scale and shift alone, as detectron2 sets them."""
    for name in [name for name in backbone if name.endswith(".norm.weight")]:
        scale, norm = backbone[name], name.removesuffix("weight")
        backbone[norm + "running_mean"] = torch.zeros_like(scale)
        backbone[norm + "running_var"] = torch.ones_like(scale)
        names[norm + "running_mean"] = names[norm + "running_var"] = names[name]


def possible_architectures(backbone: Mapping[str, Tensor]) -> list[str]:
    """Names of the architectures that have these weights; several, as pooling leaves no trace.

    Args:
        backbone: weights of all four stages under our names, without prefix.
    """
    found = read_architecture(backbone)
    return [name for name in list_architectures()
            if replace(get_architecture(name), avd_first=False, stride_in_1x1=False) == found]


def describe(backbone: Mapping[str, Tensor]) -> str:
    """A few words on the network, as "resnest101 (3-4-23-3 blocks, stem width 64, ...)"."""
    architecture = read_architecture(backbone)
    if architecture is None:
        return "a part of a network"
    names = possible_architectures(backbone) or ["a network of its own kind"]
    deformable = any("conv2_offset" in name for name in backbone)
    stem = f"stem width {architecture.stem_width}" if architecture.deep_stem else "plain stem"
    kind = {"split": "", "conv": "plain 3x3, ", "sk": "selective kernels, "}[architecture.spatial]
    gate = architecture.gate and f"gate {architecture.gate}, "
    return (f"{' or '.join(names)} ({'-'.join(map(str, architecture.blocks))} blocks, {stem}, "
            f"{kind}{gate}radix {architecture.radix}, cardinality {architecture.cardinality}, "
            f"{'deformable' if deformable else 'not deformable'})")


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
    first = {name.removeprefix("res2.0."): tensor for name, tensor in backbone.items()
             if name.startswith("res2.0.")}
    stem, narrow = backbone.get("stem.conv1_1.weight"), first.get("conv1.weight")
    spatial, wide = next(((kind, first[name]) for kind, name in _SPATIAL_KEYS.items()
                          if name in first), ("", None))
    known = [tensor for tensor in (narrow, wide, stem) if tensor is not None]
    if (narrow is None or wide is None or not all(blocks)
            or any(tensor.dim() != 4 or not tensor.numel() for tensor in known)):
        return None
    width = narrow.shape[0]
    radix = max(wide.shape[0] // width, 1) if spatial != "sk" else sum(
        bool(re.fullmatch(r"conv2\.paths\.\d+\.weight", name)) for name in first)
    # A grouped convolution has a weight for the channels of one of its groups only.
    splits = radix if spatial == "split" else 1
    cardinality = max(width // (wide.shape[1] * splits), 1)
    gate = "scse" if "gate.spatial.weight" in first else "se" if "gate.fc1.weight" in first else ""
    deep, split = stem is not None, spatial == "split"
    return Architecture(
        blocks, stem_width=64 if stem is None else stem.shape[0], radix=radix,
        cardinality=cardinality, bottleneck_width=width // cardinality, deep_stem=deep,
        avd=split, avg_down=split or deep, spatial=spatial, gate=gate)
