"""Which network some weights are, by their names and shapes."""

import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from resnest_dense.architectures import Architecture, get_architecture, list_architectures
from resnest_dense.nn.stages import STAGE_NAMES

__all__ = ["describe", "possible_architectures", "read_architecture"]


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
    return (
        f"{' or '.join(names)} ({'-'.join(map(str, architecture.blocks))} blocks, stem width "
        f"{architecture.stem_width}, radix {architecture.radix}, cardinality "
        f"{architecture.cardinality}, {'deformable' if deformable else 'not deformable'})"
    )


def read_architecture(backbone: Mapping[str, Tensor]) -> Architecture | None:
    """The architecture that has these weights, where its pools leave a choice the usual one; None
    for a part of a network.

    Args:
        backbone: weights under our names, without prefix.
    """
    blocks = tuple(len({match[1] for name in backbone
                        if (match := re.match(rf"{stage}\.(\d+)\.conv1\.weight", name))})
                   for stage in STAGE_NAMES)
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
        cardinality=cardinality, bottleneck_width=width // cardinality, deep_stem=stem is not None,
    )
