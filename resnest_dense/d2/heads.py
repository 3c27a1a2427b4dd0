"""The semantic head of the published panoptic detector."""

from typing import Any

from detectron2.config import configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import SEM_SEG_HEADS_REGISTRY
from detectron2.modeling.meta_arch.semantic_seg import SemSegFPNHead

__all__ = ["BiaslessSemSegFPNHead"]


class BiaslessSemSegFPNHead(SemSegFPNHead):
    """detectron2's head of Panoptic FPN, its 3x3 convolutions without bias even without a norm.

    ``MODEL.SEM_SEG_HEAD.NORM`` "" gives the head of the published ResNeSt-200 checkpoint
    (docs/recipes.md 2.7). The arguments are those of ``SemSegFPNHead``.
    """

    @configurable
    def __init__(self, input_shape: dict[str, ShapeSpec], *, norm: str = "", **others: Any):
        # The parent gives its convolutions a bias where the norm is false, which no function is.
        super().__init__(input_shape=input_shape, norm=norm or (lambda channels: None), **others)


# A second import of this module changes nothing.
SEM_SEG_HEADS_REGISTRY._obj_map.pop(BiaslessSemSegFPNHead.__name__, None)
SEM_SEG_HEADS_REGISTRY.register(BiaslessSemSegFPNHead)
