"""Whole detectors: ours, the official wrapper's, and detectron2's own ResNet.

    python -m benchmarks.detector --depth 50 --size 800 1216 --out benchmarks/results/detector.json
    python -m benchmarks.detector --depth 101 --size 512 512
"""

import dataclasses

from detectron2.layers import ShapeSpec
from torch import nn

from benchmarks.models import run
from benchmarks.networks import official_wrapper
from resnest_dense.analysis.speed import VARIANTS
from resnest_dense.d2.benchmark import DetectorCase

__all__ = ["contestants", "main"]

SMALL = "resnest14_mask_rcnn_mini.yaml"


@dataclasses.dataclass(frozen=True)
class OfficialDetector(DetectorCase):
    """The same detector with the official wrapper's backbone, and the same weights in it."""

    def build(self) -> nn.Module:
        model = super().build()
        ours = model.backbone.bottom_up
        official = official_wrapper().build_resnest_backbone(
            self.read_config(), ShapeSpec(channels=3))
        official.load_state_dict(ours.state_dict())
        model.backbone.bottom_up = official
        return model


def contestants(args, shared: dict) -> dict[str, DetectorCase]:
    """The detectors that are compared, by name."""
    config = SMALL if args.quick else f"resnest{args.depth}_faster_rcnn.yaml"
    cases = {f"ours, {variant}": DetectorCase(config, variant, **shared) for variant in VARIANTS}
    if not args.quick:
        cases["official wrapper"] = OfficialDetector(config, **shared)
        cases["ResNet"] = DetectorCase(f"resnet{args.depth}_faster_rcnn.yaml", **shared)
    return cases


def main(arguments: list[str] | None = None) -> None:
    run(arguments, task="Faster R-CNN detectors", size=(800, 1216), contestants=contestants,
        description=__doc__.splitlines()[0])


if __name__ == "__main__":
    main()
