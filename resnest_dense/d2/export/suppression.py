"""Non-maximum suppression of many groups of boxes at once, with an operator that runtimes have.

torchvision's ``batched_nms`` moves the groups apart by adding to their coordinates, which costs
0.06 pixels at 8 images of 80 classes. ONNX's operator has a batch: groups are told apart by it.
"""

from typing import Any

import torch
import torchvision  # noqa: F401  # registers its operators
from torch import Tensor

__all__ = ["LEAST", "best", "suppress"]

LEAST = -1e9  # the score of what is left out


def suppress(boxes: Tensor, scores: Tensor, overlap: float, most: int) -> Tensor:
    """The scores of the boxes that no better one of their group overlaps; :data:`LEAST` elsewhere.

    Args:
        boxes: (B, M, 4), x0 y0 x1 y1; groups of one B share them.
        scores: (B, C, M), a group for each of B and C; what is not above 0 is left out.
        overlap: greatest intersection over union with a better one.
        most: how many may stay in a group.

    Shape:
        (B, M, 4), (B, C, M) -> (B, C, M)
    """
    run = _Suppression.apply if torch.onnx.is_in_onnx_export() else _suppress
    batch, group, box = run(boxes, scores, overlap, most).unbind(1)
    flat = scores.flatten()
    at = (batch * scores.shape[1] + group) * scores.shape[2] + box
    kept = torch.full_like(flat, LEAST).scatter(0, at, flat[at])
    return kept.reshape(scores.shape)


def best(scores: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The best scores of each row, in order, and where they are; as many as the fullest row has
    above :data:`LEAST`, but one at least and ``most`` at most.

    Shape:
        (N, M) -> (N, P), (N, P) int64
    """
    # A tensor is a number too, of which a traced graph has no constant.
    count: Any = (scores > LEAST).sum(1).max().clamp(1, most)
    return scores.topk(count, dim=1)


@torch.jit.script
def _suppress(boxes: Tensor, scores: Tensor, overlap: float, most: int) -> Tensor:
    found = [torch.zeros(0, 3, dtype=torch.long, device=boxes.device)]
    for batch in range(scores.shape[0]):
        for group in range(scores.shape[1]):
            there = (scores[batch, group] > 0).nonzero()[:, 0]
            if there.numel() > 0:
                kept = torch.ops.torchvision.nms(boxes[batch, there], scores[batch, group, there],
                                                 overlap)
                box = there[kept[:most]]
                found.append(torch.stack([torch.full_like(box, batch),
                                          torch.full_like(box, group), box], 1))
    return torch.cat(found)


class _Suppression(torch.autograd.Function):
    """The same as one node of ONNX."""

    @staticmethod
    def forward(ctx: Any, boxes: Tensor, scores: Tensor, overlap: float, most: int) -> Tensor:
        return _suppress(boxes, scores, overlap, most)

    @staticmethod
    def symbolic(g: Any, boxes: Any, scores: Any, overlap: float, most: int) -> Any:
        limits = (torch.tensor([most]), torch.tensor([overlap]), torch.tensor([0.0]))
        node = g.op("NonMaxSuppression", boxes, scores,
                    *(g.op("Constant", value_t=limit) for limit in limits))
        node.setType(boxes.type().with_dtype(torch.long).with_sizes([None, 3]))
        return node
