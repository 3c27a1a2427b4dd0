"""RoIAlign over the levels of a pyramid, for boxes that say in which image they are."""

from collections.abc import Sequence

import torch
from detectron2.modeling.poolers import ROIPooler, assign_boxes_to_levels
from detectron2.structures import Boxes
from torch import Tensor

__all__ = ["pool"]


def pool(pooler: ROIPooler, features: Sequence[Tensor], boxes: Tensor, images: Tensor) -> Tensor:
    """What ``pooler`` computes, which takes a list of boxes for each image, and so fixes their
    number in a graph.

    Args:
        pooler: gives size, levels and the way of sampling.
        features: a map of each level, (N, C, H_i, W_i).
        boxes: (M, 4), x0 y0 x1 y1 in pixels.
        images: (M,) int64, to which image each belongs.

    Shape:
        -> (M, C, S, S)
    """
    rois = torch.cat([images[:, None].to(boxes.dtype), boxes], dim=1)
    if len(features) == 1:
        return pooler.level_poolers[0](features[0], rois)
    levels = assign_boxes_to_levels([Boxes(boxes)], pooler.min_level, pooler.max_level,
                                    pooler.canonical_box_size, pooler.canonical_level)
    pooled, places = [], []
    for level, (align, feature) in enumerate(zip(pooler.level_poolers, features)):
        places.append((levels == level).nonzero()[:, 0])
        pooled.append(align(feature, rois[places[-1]]))
    return torch.cat(pooled)[torch.cat(places).argsort()]
