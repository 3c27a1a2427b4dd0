"""Whole segmentors: ours, with MMSegmentation's own ResNeSt, and with its ResNet.

    python -m benchmarks.segmentor --depth 101 --out benchmarks/results/segmentor.json

MMSegmentation's ResNeSt has no average pool in its dilated stages, unlike the paper's; so ours is
measured in that form too, which gives the same numbers as MMSegmentation's.
"""

import dataclasses

from mmengine.config import Config
from torch import nn

from benchmarks.models import run
from benchmarks.networks import DEPTHS, load_peer
from resnest_dense import get_architecture
from resnest_dense.analysis.speed import VARIANTS
from resnest_dense.mmseg.benchmark import SegmentorCase

__all__ = ["contestants", "main"]

METHOD = "deeplabv3_ade20k"


@dataclasses.dataclass(frozen=True)
class MmsegForm(SegmentorCase):
    """Ours in the dilated form of MMSegmentation's."""

    @property
    def weights(self) -> str:
        return f"{self.config} in MMSegmentation's form"

    def read_config(self) -> Config:
        cfg = super().read_config()
        cfg.model.backbone.dilated_form = "mmseg"
        return cfg


@dataclasses.dataclass(frozen=True)
class MmsegResNeSt(MmsegForm):
    """The same segmentor with MMSegmentation's own ResNeSt, and the same weights in it."""

    def build(self) -> nn.Module:
        from mmseg.models.backbones import ResNeSt

        model = super().build()
        name = self.read_config().model.backbone.architecture
        a = get_architecture(name)
        peer = ResNeSt(depth=DEPTHS[name], radix=a.radix, reduction_factor=4, avg_down_stride=True,
                       stem_channels=a.stem_channels, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4),
                       contract_dilation=True)
        model.backbone = load_peer(peer, model.backbone.state_dict(), "mm")
        return model


def contestants(args, shared: dict) -> dict[str, SegmentorCase]:
    """The segmentors that are compared, by name."""
    config = f"resnest{args.depth}_{METHOD}"
    cases = {f"ours, {variant}": SegmentorCase(config, variant, **shared) for variant in VARIANTS}
    cases |= {f"ours in MMSegmentation's form, {variant}": MmsegForm(config, variant, **shared)
              for variant in VARIANTS if variant != "compiled"}
    if not args.quick:  # there are no small peers
        cases["MMSegmentation's ResNeSt"] = MmsegResNeSt(config, **shared)
        cases["ResNet"] = SegmentorCase(f"resnet{args.depth}_{METHOD}", **shared)
    return cases


def main(arguments: list[str] | None = None) -> None:
    run(arguments, task="DeepLabV3 segmentors", size=(512, 512), contestants=contestants,
        description=__doc__.splitlines()[0])


if __name__ == "__main__":
    main()
