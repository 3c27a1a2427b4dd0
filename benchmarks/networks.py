"""The networks that are timed side by side: ours, every other ResNeSt, and plain ResNets for scale.

All put out the four feature maps, finest first; every ResNeSt holds the same weights.
"""

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass

import timm
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY
from detectron2.modeling.backbone import build_resnet_backbone
from resnest.torch.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense import create_backbone, fuse, get_architecture, list_architectures
from resnest_dense.d2 import get_cfg
from resnest_dense.nn.stages import STAGE_NAMES
from resnest_dense.weights.layouts import from_ours, get_layout

__all__ = ["CANDIDATES", "DEPTHS", "Candidate", "candidates_for", "draw_images",
           "draw_weights", "load_peer", "official_wrapper"]

DEPTHS = {f"resnest{depth}": depth for depth in (50, 101, 152, 200, 269)}
_TIMM = {"resnest14": "resnest14d", "resnest26": "resnest26d", "resnest50": "resnest50d",
         "resnest101": "resnest101e", "resnest200": "resnest200e", "resnest269": "resnest269e"}


class Trunk(nn.Module):
    """A network of torch layers named as in torchvision, without its classifier."""

    def __init__(self, *stem: nn.Module, net: nn.Module):
        super().__init__()
        self.stem = nn.Sequential(*stem, net.maxpool)
        self.stages = nn.ModuleList([net.layer1, net.layer2, net.layer3, net.layer4])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x, features = self.stem(x), []
        for stage in self.stages:
            features.append(x := stage(x))
        return tuple(features)


class Values(nn.Module):
    """The feature maps of a network that names them."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.net(x).values())


def draw_weights(architecture: str) -> dict[str, Tensor]:
    """Random weights of a ResNeSt under our names, see :func:`settle`."""
    return settle(create_backbone(architecture)).state_dict()


def draw_images(count: int, height: int, width: int, *, seed: int) -> Tensor:
    """Random images without grain, since a network averages grain away and then enlarges what is
    left of it, rounding errors too."""
    coarse = torch.randn(count, 3, height // 16 + 1, width // 16 + 1,
                         generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=(height, width), mode="bilinear")


def settle(net: nn.Module) -> nn.Module:
    """``net`` with norms that do something and statistics that fit them, and blocks that add little
    to what they get, as trained ones do: its feature maps stay in the range of half precision."""
    norms = {name: module for name, module in net.named_modules()
             if isinstance(module, nn.BatchNorm2d)}
    for name, norm in norms.items():
        last = name.endswith("conv3.norm")
        nn.init.uniform_(norm.weight, *((0.1, 0.3) if last else (0.5, 1.5)))
        nn.init.normal_(norm.bias, 0, 0.1)
        norm.momentum = 1.0
    with torch.no_grad():
        net.train()(draw_images(4, 128, 128, seed=0))
    for norm in norms.values():
        norm.momentum = 0.1
    return net


def _ours(architecture, state, **options):
    net = create_backbone(architecture, **options)
    net.load_state_dict(state)
    return Values(net)


def _official_torch(architecture, state):
    a = get_architecture(architecture)
    net = ResNet(Bottleneck, list(a.blocks), radix=a.radix, groups=a.cardinality,
                 bottleneck_width=a.bottleneck_width, deep_stem=True, stem_width=a.stem_width,
                 avg_down=True, avd=True, avd_first=a.avd_first)
    load_peer(net, state, "upstream")
    return Trunk(net.conv1, net.bn1, net.relu, net=net)


def _timm(architecture, state):
    net = load_peer(timm.create_model(_TIMM[architecture]), state, "timm")
    return Trunk(net.conv1, net.bn1, net.act1, net=net)


def _official_detectron2(architecture, state):
    net = official_wrapper().build_resnest_backbone(
        _detectron2_config(architecture), ShapeSpec(channels=3))
    return Values(load_peer(net, state, "detectron2"))


def _mmsegmentation(architecture, state):
    # Here, so that all else can be timed where MMSegmentation is not installed.
    from mmseg.models.backbones import ResNeSt

    import resnest_dense.mmseg  # noqa: F401, its parts can be imported after this

    a = get_architecture(architecture)
    net = ResNeSt(depth=DEPTHS[architecture], radix=a.radix, reduction_factor=4,
                  avg_down_stride=True, stem_channels=a.stem_channels)
    return load_peer(net, state, "mm")


def _resnet(architecture, state):
    net = build_resnet_backbone(_detectron2_config(architecture), ShapeSpec(channels=3))
    return Values(settle(net))


def load_peer(net: nn.Module, state: dict[str, Tensor], layout: str) -> nn.Module:
    """``net`` with the weights ``state``, under our names, in its own ``layout``."""
    missing, unexpected = net.load_state_dict(
        from_ours(state, get_layout(layout), prefix=""), strict=False)
    if unexpected or any(not key.startswith("fc.") for key in missing):
        raise RuntimeError(f"{type(net).__module__}: {missing} missing, {unexpected} unexpected")
    return net


def _detectron2_config(architecture):
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.FREEZE_AT = 0
    keys = cfg.MODEL.RESNETS
    keys.NORM, keys.STRIDE_IN_1X1, keys.DEPTH = "BN", False, DEPTHS[architecture]
    keys.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    return cfg


def official_wrapper():
    """The module ``resnest.d2.resnest``. It registers builders under the names of ours, so those
    are taken out of detectron2's registry before the import and put back after it."""
    names = ("build_resnest_backbone", "build_resnest_fpn_backbone")
    ours = {name: BACKBONE_REGISTRY._obj_map.pop(name) for name in names}
    from resnest.d2 import resnest

    BACKBONE_REGISTRY._obj_map.update(ours)
    return resnest


@dataclass(frozen=True)
class Candidate:
    """One network to time.

    Args:
        build: makes it from the name of an architecture and a state dict under our names.
        kind: "ours", "peer" (another ResNeSt) or "scale" (a plain ResNet of the same depth).
        architectures: the names that it can be built for.
        fuse: what makes its form for inference, once it is where it computes; None for one that can
            be trained.
        trains_only: whether it differs from another in training alone.
    """

    build: Callable[[str, dict[str, Tensor]], nn.Module]
    kind: str
    architectures: Collection[str]
    fuse: Callable[[nn.Module], nn.Module] | None = None
    trains_only: bool = False


_CHECKPOINTED = {"all": STAGE_NAMES} | {stage: (stage,) for stage in STAGE_NAMES}
CANDIDATES = {
    "ours": Candidate(_ours, "ours", list_architectures()),
    "ours fused": Candidate(_ours, "ours", list_architectures(), fuse),
    **{f"ours checkpointed {which}": Candidate(functools.partial(_ours, checkpoint_stages=stages),
                                               "ours", list_architectures(), trains_only=True)
       for which, stages in _CHECKPOINTED.items()},
    "official torch": Candidate(_official_torch, "peer", [
        name for name in list_architectures() if name.startswith("resnest")]),
    "official detectron2": Candidate(_official_detectron2, "peer", tuple(DEPTHS)),
    "timm": Candidate(_timm, "peer", tuple(_TIMM)),
    "MMSegmentation": Candidate(_mmsegmentation, "peer", tuple(DEPTHS)[:4]),
    "ResNet of detectron2": Candidate(_resnet, "scale", tuple(DEPTHS)[:3]),
    "ResNet of detectron2 fused": Candidate(_resnet, "scale", tuple(DEPTHS)[:3], fuse),
}


def candidates_for(architecture: str, *, training: bool) -> dict[str, Candidate]:
    """Those that can be built for ``architecture``, by name."""
    return {name: candidate for name, candidate in CANDIDATES.items()
            if architecture in candidate.architectures
            and not (candidate.fuse if training else candidate.trains_only)}
