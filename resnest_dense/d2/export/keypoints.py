"""Keypoints out of heat maps, as detectron2 finds them: the place of the maximum, in pixels."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["find_keypoints"]


def find_keypoints(heat: Tensor, boxes: Tensor, classes: Tensor) -> Tensor:
    """The most likely place of each keypoint, and how likely it is.

    Args:
        heat: logits over the box, (K, J, S, S).
        boxes: (K, 4), x0 y0 x1 y1.
        classes: of the boxes; not used.

    Shape:
        -> (K, J, 3), x, y, score
    """
    return _find(heat, boxes)


@torch.jit.script
def _find(heat: Tensor, boxes: Tensor) -> Tensor:
    # A map is enlarged to the whole pixels of its box, so each has a size of its own.
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    whole = sides.ceil()
    found = torch.zeros(0, heat.shape[1], 3, dtype=heat.dtype, device=heat.device)
    for i in range(heat.shape[0]):
        width, height = int(whole[i, 0]), int(whole[i, 1])
        large = F.interpolate(heat[i:i + 1], size=[height, width], mode="bicubic",
                              align_corners=False)[0].flatten(1)
        value, place = large.max(1)
        total = (heat[i].flatten(1) - value[:, None]).exp().sum(1)
        # Inside of a loop the exporter knows no types: whole numbers stay floats.
        pixel = place.to(torch.float32)
        row = (pixel / whole[i, 0]).floor()
        column = pixel - row * whole[i, 0]
        x = (column + 0.5) * (sides[i, 0] / whole[i, 0]) + boxes[i, 0]
        y = (row + 0.5) * (sides[i, 1] / whole[i, 1]) + boxes[i, 1]
        found = torch.cat([found, torch.stack([x, y, total.reciprocal()], 1)[None]])
    return found
