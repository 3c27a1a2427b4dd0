"""Config keys of ResNeSt under ``MODEL.RESNETS``, beside detectron2's own, none of which change."""

from detectron2.config import CfgNode
from detectron2.config import get_cfg as get_stock_cfg

__all__ = ["add_resnest_config", "get_cfg"]


def add_resnest_config(cfg: CfgNode) -> None:
    """Adds the ResNeSt keys to ``cfg`` (names and defaults of the official wrapper, recipes.md 3.1).

    Unlike the official function it leaves ``STRIDE_IN_1X1`` as it is: that key is for plain ResNets
    in the same process, and a ResNeSt never strides in its 1x1.
    """
    node = cfg.MODEL.RESNETS
    node.DEEP_STEM = True
    node.AVD = True
    node.AVG_DOWN = True
    node.RADIX = 2
    node.BOTTLENECK_WIDTH = 64
    # Average pool before the 3x3: the "fast" networks.
    node.AVD_FIRST = False
    # Channels of the stem's first convolutions; 0: what the named network of this DEPTH has.
    node.STEM_WIDTH = 0
    # Form of the dilated stages where RES5_DILATION is 2 or 4 (output stride 16 or 8).
    node.DILATED_FORM = "detectron2"
    # Stages ("res2", ...) whose activations are recomputed in backward to save memory.
    node.CHECKPOINT_STAGES = []
    # torch.compile of the stem and each stage.
    node.COMPILE = False


def get_cfg() -> CfgNode:
    """detectron2's default config with the ResNeSt keys added."""
    cfg = get_stock_cfg()
    add_resnest_config(cfg)
    return cfg
