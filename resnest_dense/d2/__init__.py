"""detectron2: importing this package registers the ResNeSt backbones with it, and lets its
checkpointer load their weights from any layout.
"""

from resnest_dense.d2 import patches
from resnest_dense.d2.backbone import (
    ResNeStBackbone,
    build_resnest_backbone,
    build_resnest_fpn_backbone,
    build_retinanet_resnest_fpn_backbone,
)
from resnest_dense.d2.config import add_resnest_config, get_cfg
from resnest_dense.d2.heads import BiaslessSemSegFPNHead

patches.install()

__all__ = ["BiaslessSemSegFPNHead", "ResNeStBackbone", "add_resnest_config",
           "build_resnest_backbone", "build_resnest_fpn_backbone",
           "build_retinanet_resnest_fpn_backbone", "get_cfg"]
