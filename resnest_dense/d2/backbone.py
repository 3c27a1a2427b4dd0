"""ResNeSt as a detectron2 backbone: the config read into an architecture, and three builders."""

import logging
import re
from dataclasses import replace
from functools import partial

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec, get_norm
from detectron2.modeling import BACKBONE_REGISTRY, FPN, Backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool, LastLevelP6P7
from torch import nn

from resnest_dense.architectures import Architecture, get_architecture, list_architectures
from resnest_dense.d2.config import get_cfg
from resnest_dense.errors import ResNeStValueError, near
from resnest_dense.nn import Deformable, ResNeSt
from resnest_dense.nn.norm import NORM_NAMES
from resnest_dense.nn.stages import STAGE_NAMES

__all__ = ["SHAPE_KEYS", "ResNeStBackbone", "build_resnest_backbone", "build_resnest_fpn_backbone",
           "build_retinanet_resnest_fpn_backbone"]

_OUTPUT_STRIDES = {1: 32, 2: 16, 4: 8}
_UNSET_STEM = 64  # detectron2's default of STEM_OUT_CHANNELS, which stands in every saved config
_STOCK_NORMS = ("nnSyncBN", "naiveSyncBN", "naiveSyncBN_N", "LN")  # that are detectron2's alone
_logger = logging.getLogger(__name__)


class ResNeStBackbone(ResNeSt, Backbone):
    """:class:`resnest_dense.ResNeSt` with detectron2's contract; same arguments and state dict."""

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride of each feature map."""
        return {name: ShapeSpec(channels=channels, stride=stride)
                for name, (channels, stride) in self.feature_info.items()}


def build_resnest_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNeStBackbone:
    """The ResNeSt that ``cfg.MODEL.RESNETS`` and ``cfg.MODEL.BACKBONE.FREEZE_AT`` describe.

    Raises:
        ResNeStValueError: a value that no ResNeSt has; the message names its key.
    """
    try:
        return _build(cfg.MODEL.RESNETS, input_shape.channels, cfg.MODEL.BACKBONE.FREEZE_AT)
    except ResNeStValueError as error:
        if "MODEL." in str(error):
            raise
        # The network knows no config; its arguments are called as the keys are.
        raise ResNeStValueError("Of MODEL.RESNETS and MODEL.BACKBONE.FREEZE_AT: "
                                f"{error}") from error


def _build(keys: CfgNode, in_channels: int, freeze_at: int) -> ResNeStBackbone:
    # What Python code has put there; of files and overrides, yacs has compared the types.
    for key, default in get_cfg().MODEL.RESNETS.items():
        kinds = (list, tuple) if isinstance(default, list) else (type(default),)
        if type(keys[key]) not in kinds:
            raise ResNeStValueError(f"MODEL.RESNETS.{key}={keys[key]!r}: it takes values such as "
                                    f"{default!r}.")
    if keys.RES5_DILATION not in _OUTPUT_STRIDES:
        raise ResNeStValueError(f"MODEL.RESNETS.RES5_DILATION={keys.RES5_DILATION}: use 1 (output "
                                "stride 32), 2 (16) or 4 (8).")
    deformed = keys.DEFORM_ON_PER_STAGE
    if len(deformed) != len(STAGE_NAMES) or not all(isinstance(on, bool) for on in deformed):
        raise ResNeStValueError(f"MODEL.RESNETS.DEFORM_ON_PER_STAGE={deformed}: give True or False "
                                "for each of the 4 stages.")
    stages = tuple(s for s, on in zip(STAGE_NAMES, deformed) if on)
    architecture = _read_architecture(keys)
    if keys.STEM_OUT_CHANNELS not in (_UNSET_STEM, architecture.stem_channels):
        raise ResNeStValueError(f"MODEL.RESNETS.STEM_OUT_CHANNELS={keys.STEM_OUT_CHANNELS}: this "
                                f"stem puts out {architecture.stem_channels}; leave it at "
                                f"{_UNSET_STEM}, and set STEM_WIDTH for another width.")
    return ResNeStBackbone(
        architecture,
        norm=keys.NORM if keys.NORM in NORM_NAMES else partial(_stock_norm, keys.NORM),
        out_features=keys.OUT_FEATURES,
        in_channels=in_channels,
        output_stride=_OUTPUT_STRIDES[keys.RES5_DILATION],
        dilated_form=keys.DILATED_FORM,
        freeze_at=freeze_at,
        deform=Deformable(stages, modulated=keys.DEFORM_MODULATED,
                          groups=keys.DEFORM_NUM_GROUPS) if stages else None,
        checkpoint_stages=keys.CHECKPOINT_STAGES, compile=keys.COMPILE)


def _stock_norm(name: str, channels: int) -> nn.Module:
    try:
        return get_norm(name, channels)
    except KeyError as error:
        raise ResNeStValueError(f"MODEL.RESNETS.NORM={name!r}: detectron2 has no such norm. "
                                f"{near(name, (*filter(None, NORM_NAMES), *_STOCK_NORMS))}"
                                ) from error


def build_resnest_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """ResNeSt and a feature pyramid p2 to p6, p6 a max-pool of p5 (R-CNN detectors)."""
    return _build_fpn(cfg, build_resnest_backbone(cfg, input_shape), LastLevelMaxPool())


def build_retinanet_resnest_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """ResNeSt and a feature pyramid p3 to p7, p6 and p7 convolved from res5 (RetinaNet)."""
    bottom_up = build_resnest_backbone(cfg, input_shape)
    channels = bottom_up.output_shape()["res5"].channels
    return _build_fpn(cfg, bottom_up, LastLevelP6P7(channels, cfg.MODEL.FPN.OUT_CHANNELS))


def _build_fpn(cfg: CfgNode, bottom_up: ResNeStBackbone, top_block: nn.Module) -> FPN:
    keys = cfg.MODEL.FPN
    return FPN(bottom_up, keys.IN_FEATURES, keys.OUT_CHANNELS, norm=keys.NORM, top_block=top_block,
               fuse_type=keys.FUSE_TYPE)


# Keys of what a network that is named has by its name, and their defaults.
SHAPE_KEYS = {"DEPTH": 50, "NUM_GROUPS": 1, "WIDTH_PER_GROUP": 64, "RES2_OUT_CHANNELS": 256,
              "STEM_WIDTH": 0, "RADIX": 2, "BOTTLENECK_WIDTH": 64, "AVD": True, "AVD_FIRST": False,
              "AVG_DOWN": True, "DEEP_STEM": True}


def _read_architecture(keys: CfgNode) -> Architecture:
    if keys.ARCHITECTURE:
        for key, default in SHAPE_KEYS.items():
            if keys[key] != default:
                raise ResNeStValueError(
                    f"MODEL.RESNETS.ARCHITECTURE={keys.ARCHITECTURE!r} names the whole network, and"
                    f" MODEL.RESNETS.{key} is {keys[key]!r}: leave it at {default!r}, or leave "
                    "ARCHITECTURE out.")
        return get_architecture(keys.ARCHITECTURE)
    # NUM_GROUPS is the cardinality and counts once (the official wrapper squares it), and radix 1
    # has attention as in the official torch network (the wrapper drops it there).
    depths = [int(name[7:]) for name in list_architectures() if re.fullmatch(r"resnest\d+", name)]
    if keys.DEPTH not in depths:
        raise ResNeStValueError(
            f"MODEL.RESNETS.DEPTH={keys.DEPTH} is not a ResNeSt: use one of {depths}, "
            "MODEL.RESNETS.ARCHITECTURE for a network before it, or MODEL.BACKBONE.NAME "
            "build_resnet_fpn_backbone for detectron2's own ResNet.")
    if keys.RES2_OUT_CHANNELS != 256:
        raise ResNeStValueError(f"MODEL.RESNETS.RES2_OUT_CHANNELS={keys.RES2_OUT_CHANNELS}: a "
                                "ResNeSt has 256; narrow it by MODEL.RESNETS.BOTTLENECK_WIDTH.")
    named, width = get_architecture(f"resnest{keys.DEPTH}"), keys.BOTTLENECK_WIDTH
    # Shares of 64 each; of later stages the official code would round another product.
    if keys.WIDTH_PER_GROUP * width % 64:
        raise ResNeStValueError(
            f"MODEL.RESNETS.WIDTH_PER_GROUP={keys.WIDTH_PER_GROUP} and BOTTLENECK_WIDTH={width}: "
            "their product must divide by 64. Leave WIDTH_PER_GROUP at 64.")
    return replace(
        named,
        stem_width=keys.STEM_WIDTH or named.stem_width,
        radix=keys.RADIX, cardinality=keys.NUM_GROUPS,
        bottleneck_width=keys.WIDTH_PER_GROUP * width // 64,
        avd_first=keys.AVD_FIRST, avd=_read_switch(keys, "AVD"),
        deep_stem=_read_switch(keys, "DEEP_STEM"), avg_down=_read_switch(keys, "AVG_DOWN"))


def _read_switch(keys: CfgNode, name: str) -> bool:
    # The first fork saved configs with these keys False and built the parts all the same; the
    # pools have no weights, so obeying such a file would give wrong features without an error.
    if not keys[name] and keys.RADIX > 1:
        _logger.warning(
            "MODEL.RESNETS.%s is False at RADIX %d: built all the same, as the official code does.",
            name, keys.RADIX)
        return True
    return keys[name]


for _builder in (build_resnest_backbone, build_resnest_fpn_backbone,
                 build_retinanet_resnest_fpn_backbone):
    # The official wrapper (resnest.d2) uses the same names; ours take their place where it came
    # first, and a second import of this module changes nothing.
    BACKBONE_REGISTRY._obj_map.pop(_builder.__name__, None)
    BACKBONE_REGISTRY.register(_builder)
