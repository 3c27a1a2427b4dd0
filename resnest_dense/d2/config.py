"""Config keys of ResNeSt under ``MODEL.RESNETS``, beside detectron2's own, none of which change."""

import os
from typing import Any

from detectron2.config import CfgNode
from detectron2.config import get_cfg as get_stock_cfg

from resnest_dense.d2.official_files import WRAPPER_DEFAULTS, read_as_official
from resnest_dense.errors import ResNeStValueError

__all__ = ["add_resnest_config", "get_cfg"]


def add_resnest_config(cfg: CfgNode) -> None:
    """Adds the ResNeSt keys to ``cfg``; names and defaults are the official wrapper's
    (docs/recipes.md 3.1).

    Unlike the official function it leaves ``STRIDE_IN_1X1`` as it is: that key is for plain ResNets
    in the same process, and a ResNeSt never strides in its 1x1.
    """
    node = cfg.MODEL.RESNETS
    node.update(WRAPPER_DEFAULTS)
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
    """detectron2's default config with the ResNeSt keys added.

    Its ``merge_from_file`` reads the YAML files of the official code as that code does, see
    :func:`resnest_dense.d2.official_files.read_as_official`.
    """
    cfg = _ResNeStConfig()
    cfg.update(get_stock_cfg())
    add_resnest_config(cfg)
    return cfg


class _ResNeStConfig(CfgNode):
    @classmethod
    def load_yaml_with_base(cls, filename: str, allow_unsafe: bool = False) -> dict[str, Any]:
        if os.fspath(filename).endswith(".py"):
            raise ResNeStValueError(
                f"{filename} is a LazyConfig: run it with detectron2's lazyconfig_train_net.py.")
        # Called for each file of a chain of `_BASE_` with what lies behind it merged in.
        return read_as_official(super().load_yaml_with_base(filename, allow_unsafe), filename)

    def merge_from_other_cfg(self, cfg_other: CfgNode) -> None:
        # yacs merges nodes of the same class only, and those below this root are stock ones, also
        # where other projects add theirs.
        stock = CfgNode()
        vars(stock).update(vars(self))
        stock.update(self)
        stock.merge_from_other_cfg(CfgNode(cfg_other))
        self.update(stock)
