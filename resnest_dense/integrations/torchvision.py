"""A ResNeSt with FPN for torchvision's detectors."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool

from resnest_dense.create import create_backbone
from resnest_dense.nn.norm import Norm

__all__ = ["FPNBackbone", "fpn_backbone"]


class FPNBackbone(nn.Module):
    """A backbone and torchvision's FPN (arXiv 1612.03144), as its detectors take them.

    Shape:
        (N, C, H, W), normalised -> {"0": (N, out_channels, H / 4, W / 4), "1": ..., ...}, and what
        the extra block adds ("pool" by default)
    """

    def __init__(self, body: nn.Module, channels: list[int], out_channels: int,
                 extra_blocks: ExtraFPNBlock | None, norm_layer: Any):
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork(channels, out_channels, extra_blocks, norm_layer)
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.body(x).values()
        return self.fpn(OrderedDict((str(i), feature) for i, feature in enumerate(features)))


def fpn_backbone(name: str, *, out_channels: int = 256,
                 returned_layers: Sequence[int] = (1, 2, 3, 4),
                 extra_blocks: ExtraFPNBlock | None = None, norm_layer: Any = None,
                 norm: Norm = "BN", **options: Any) -> FPNBackbone:
    """What ``torchvision.models.detection.FasterRCNN(backbone, num_classes)`` and its kin take.

    Args:
        name: one of :func:`resnest_dense.list_architectures`.
        out_channels: channels of the pyramid.
        returned_layers: stages that go into the pyramid, 1 (stride 4) to 4 (stride 32).
        extra_blocks: further levels; by default a max-pool of the last one. RetinaNet takes
            torchvision's ``LastLevelP6P7(out_channels, out_channels)`` and layers 2 to 4.
        norm_layer: norms inside the pyramid, None for none.
        norm: norms of the network; "FrozenBN" with ``weights`` is detectors' usual choice.
        options: as for :func:`resnest_dense.create_backbone`: ``weights``, ``freeze_at``, ...

    Raises:
        ResNeStError: as :func:`resnest_dense.create_backbone`.
    """
    features = [f"res{layer + 1}" for layer in returned_layers]
    body = create_backbone(name, norm=norm, out_features=features, **options)
    channels = [body.feature_info[feature][0] for feature in features]
    return FPNBackbone(body, channels, out_channels, extra_blocks or LastLevelMaxPool(), norm_layer)
