"""The table of named ResNeSt networks (paper section 4 and table 2; recipes.md 1.1)."""

from dataclasses import dataclass

from resnest_dense.errors import ResNeStValueError, near

__all__ = ["Architecture", "get_architecture", "list_architectures"]


@dataclass(frozen=True)
class Architecture:
    """One ResNeSt network, independent of the task that it serves.

    Args:
        blocks: number of bottlenecks in res2, res3, res4, res5.
        stem_width: channels of the first two stem convolutions; the stem puts out twice as many.
        radix: number of splits that the attention weighs against each other (R).
        cardinality: number of groups that are attended to independently (K).
        bottleneck_width: width of one group in res2, as a share of 64 (24 in "1s4x24d").
        avd_first: average-pool downsampling before the 3x3 ("fast") instead of after it.
        avd: downsample by a 3x3 average pool; without it the 3x3 convolution has the stride.
        avg_down: downsample the shortcut by an average pool; without it its 1x1 has the stride.
        deep_stem: three 3x3 convolutions (ResNet-D); without it one 7x7 with 64 channels.

    Raises:
        ResNeStValueError: a count below 1, or not four stages.
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

    def __post_init__(self):
        if len(self.blocks) != 4:
            raise ResNeStValueError(
                f"blocks={self.blocks} has {len(self.blocks)} stages; a ResNeSt has 4 (res2 to "
                "res5)."
            )
        counts = {"stem_width": self.stem_width, "radix": self.radix,
                  "cardinality": self.cardinality, "bottleneck_width": self.bottleneck_width,
                  "blocks": min(self.blocks)}
        for name, count in counts.items():
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ResNeStValueError(
                    f"{name}={count!r} in an Architecture: use a whole number of at least 1."
                )

    @property
    def stem_channels(self) -> int:
        """Channels that the stem puts out."""
        return 2 * self.stem_width if self.deep_stem else 64

    def group_width(self, planes: int) -> int:
        """Channels of the 3x3's input in a stage of ``planes`` (64, 128, 256 or 512)."""
        return planes * self.bottleneck_width // 64 * self.cardinality


def _fast50(radix: int, cardinality: int, width: int) -> Architecture:
    return Architecture((3, 4, 6, 3), 32, radix, cardinality, width, avd_first=True)


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
}


def list_architectures() -> list[str]:
    """Names that :func:`resnest_dense.create_backbone` knows, smallest first, variants last."""
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
