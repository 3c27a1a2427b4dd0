"""The table of named networks: ResNeSt (paper section 4 and table 2; docs/recipes.md 1.1), and the
line that it comes from: ResNet, ResNet-D, ResNeXt, SENet, SKNet (docs/family.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resnest_dense.errors import (
    ResNeStValueError,
    near,
    require_counts,
    require_switches,
)

__all__ = ["GATES", "SPATIALS", "Architecture", "get_architecture", "list_architectures"]

# What the 3x3 of a block can be, and what can weigh the block's output before the addition.
SPATIALS = ("split", "conv", "sk")
GATES = ("", "se", "scse")
_COUNTS = ("stem_width", "radix", "cardinality", "bottleneck_width")
_SWITCHES = ("avd_first", "avd", "avg_down", "deep_stem", "stride_in_1x1")


@dataclass(frozen=True)
class Architecture:
    """One network, independent of the task that it serves.

    Args:
        blocks: number of bottlenecks in res2, res3, res4, res5.
        stem_width: channels of the first two stem convolutions; the stem puts out twice as many.
        radix: number of splits (R) or branches (M) that the attention weighs against each other.
        cardinality: number of groups, in split attention attended to independently (K).
        bottleneck_width: width of one group in res2, as a share of 64 (24 in "1s4x24d").
        avd_first: average-pool downsampling before the 3x3 ("fast") instead of after it.
        avd: downsample by a 3x3 average pool; without it the 3x3 convolution has the stride.
        avg_down: downsample the shortcut by an average pool; without it its 1x1 has the stride.
        deep_stem: three 3x3 convolutions (ResNet-D); without it one 7x7 with 64 channels.
        spatial: the 3x3: "split" (split attention), "conv" (plain or grouped), "sk" (selective
            kernels).
        gate: what weighs the block's output: "" (nothing), "se" (squeeze-excitation) or "scse".
        stride_in_1x1: whether a block without average pool strides in its first 1x1 (the original
            ResNet, of which detectron2's MSRA weights are) instead of its 3x3.

    Raises:
        ResNeStValueError: a count that is no whole number of at least 1, a switch that is neither
            True nor False, not four stages, or an unknown name.
    """

    blocks: tuple[int, int, int, int]
    stem_width: int = 64
    radix: int = 2
    cardinality: int = 1
    bottleneck_width: int = 64
    avd_first: bool = False
    avd: bool = True
    avg_down: bool = True
    deep_stem: bool = True
    spatial: str = "split"
    gate: str = ""
    stride_in_1x1: bool = False

    def __post_init__(self):
        if not isinstance(self.blocks, Sequence) or len(self.blocks) != 4:
            raise ResNeStValueError(f"blocks={self.blocks!r} in an Architecture: a network has 4 "
                                    "stages (res2 to res5), with a number of blocks each.")
        for field, known in (("spatial", SPATIALS), ("gate", GATES)):
            if getattr(self, field) not in known:
                raise ResNeStValueError(f"{field}={getattr(self, field)!r} in an Architecture: use "
                                        f"one of {known}.")
        require_counts(**{f"blocks[{i}]": count for i, count in enumerate(self.blocks)},
                       **{name: getattr(self, name) for name in _COUNTS})
        require_switches(**{name: getattr(self, name) for name in _SWITCHES})

    @property
    def stem_channels(self) -> int:
        """Channels that the stem puts out."""
        return 2 * self.stem_width if self.deep_stem else 64

    def group_width(self, planes: int) -> int:
        """Channels of the 3x3's input in a stage of ``planes`` (64, 128, 256 or 512)."""
        return planes * self.bottleneck_width // 64 * self.cardinality


def _fast50(radix: int, cardinality: int, width: int) -> Architecture:
    return Architecture((3, 4, 6, 3), 32, radix, cardinality, width, avd_first=True)


def _resnet(*blocks: int, d: bool = False, **others: Any) -> Architecture:
    """A network before ResNeSt, ``d`` with the stem and the shortcuts of ResNet-D."""
    row: dict[str, Any] = dict(stem_width=32 if d else 64, radix=1, spatial="conv", avd=False,
                               avg_down=d, deep_stem=d)
    return Architecture(blocks, **{**row, **others})  # type: ignore[arg-type]


# Cardinality and width of a group of a ResNeXt 32x4d, and M branches of an SKNet.
_32X4D: dict[str, Any] = dict(cardinality=32, bottleneck_width=4)
_SK: dict[str, Any] = dict(_32X4D, radix=2, spatial="sk")

_ARCHITECTURES = {
    "resnest14": Architecture((1, 1, 1, 1), 32),
    "resnest26": Architecture((2, 2, 2, 2), 32),
    "resnest50": Architecture((3, 4, 6, 3), 32),
    "resnest101": Architecture((3, 4, 23, 3)),
    "resnest152": Architecture((3, 8, 36, 3)),
    "resnest200": Architecture((3, 24, 36, 3)),
    "resnest269": Architecture((3, 30, 48, 8)),
    # Only a stem of 32 reproduces the paper's 48.2 M parameters and 8.07 GMACs.
    "resnest101_fast": Architecture((3, 4, 23, 3), 32, avd_first=True),
    "resnest50_fast_1s1x64d": _fast50(1, 1, 64),
    "resnest50_fast_2s1x64d": _fast50(2, 1, 64),
    "resnest50_fast_4s1x64d": _fast50(4, 1, 64),
    "resnest50_fast_1s2x40d": _fast50(1, 2, 40),
    "resnest50_fast_2s2x40d": _fast50(2, 2, 40),
    "resnest50_fast_4s2x40d": _fast50(4, 2, 40),
    "resnest50_fast_1s4x24d": _fast50(1, 4, 24),
    # ResNet (arXiv 1512.03385) as torchvision has it, stride in the 3x3; as detectron2's MSRA
    # weights are, stride in the 1x1; and ResNet-D (arXiv 1812.01187).
    "resnet50": _resnet(3, 4, 6, 3),
    "resnet101": _resnet(3, 4, 23, 3),
    "resnet50_msra": _resnet(3, 4, 6, 3, stride_in_1x1=True),
    "resnet101_msra": _resnet(3, 4, 23, 3, stride_in_1x1=True),
    "resnet14d": _resnet(1, 1, 1, 1, d=True),
    "resnet50d": _resnet(3, 4, 6, 3, d=True),
    "resnet101d": _resnet(3, 4, 23, 3, d=True),
    # ResNeXt (arXiv 1611.05431): groups.
    "resnext50_32x4d": _resnet(3, 4, 6, 3, **_32X4D),
    "resnext101_32x8d": _resnet(3, 4, 23, 3, cardinality=32, bottleneck_width=8),
    # Squeeze-excitation (arXiv 1709.01507), and beside it that of pixels (arXiv 1803.02579).
    "seresnet14d": _resnet(1, 1, 1, 1, d=True, gate="se"),
    "seresnet50": _resnet(3, 4, 6, 3, gate="se"),
    "seresnet50d": _resnet(3, 4, 6, 3, d=True, gate="se"),
    "seresnext50_32x4d": _resnet(3, 4, 6, 3, gate="se", **_32X4D),
    "scse_resnet50d": _resnet(3, 4, 6, 3, d=True, gate="scse"),
    # Selective kernels (arXiv 1903.06586).
    "sknet14": _resnet(1, 1, 1, 1, **_SK),
    "sknet50": _resnet(3, 4, 6, 3, **_SK),
}


def list_architectures() -> list[str]:
    """Names that :func:`resnest_dense.create_backbone` knows: ResNeSt, smallest first, its
    variants, and the networks before it."""
    return list(_ARCHITECTURES)


def get_architecture(name: str) -> Architecture:
    """The architecture called ``name``.

    Raises:
        ResNeStValueError: an unknown name; the message lists the nearest ones.
    """
    try:
        return _ARCHITECTURES[name]
    except (KeyError, TypeError):
        raise ResNeStValueError(
            f"Unknown architecture {name!r}. {near(name, _ARCHITECTURES)}"
        ) from None
