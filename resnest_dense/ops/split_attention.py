"""Split attention over R splits and K groups (paper section 3.1).

Channels are radix-major: the R splits of a tensor lie one behind the other, and inside each split
the K groups do. No function here reshapes a feature map, so its memory layout survives.
"""

import torch
from torch import Tensor

__all__ = ["radix_attention", "radix_pool", "radix_sum"]


def radix_pool(x: Tensor, radix: int) -> Tensor:
    """Global average of the sum of the splits (paper equation 1).

    Summed first and averaged then, as the official code does: a batch norm over the few pooled
    values of a small batch turns a difference in the last digit into one in the seventh.

    Args:
        x: feature map, channels radix-major.
        radix: number of splits R.

    Shape:
        (N, R * C, H, W) -> (N, C, 1, 1)
    """
    first, *others = x.chunk(radix, dim=1)
    return sum(others, start=first).mean((2, 3), keepdim=True)


def radix_attention(logits: Tensor, radix: int, cardinality: int) -> Tensor:
    """Weights of the splits: softmax over R, or a sigmoid where there is one split (equation 3).

    Args:
        logits: group-major, as a convolution of K groups puts them out: (K, R, C / K).
        radix: number of splits R.
        cardinality: number of groups K.

    Shape:
        (N, R * C, 1, 1) group-major -> (N, R * C, 1, 1) radix-major
    """
    if radix == 1:
        return logits.sigmoid()
    channels = logits.shape[1] // (radix * cardinality)
    by_group = logits.reshape(-1, cardinality, radix, channels)
    return by_group.transpose(1, 2).softmax(dim=1).reshape(-1, logits.shape[1], 1, 1)


def radix_sum(x: Tensor, attention: Tensor, radix: int) -> Tensor:
    """Sum of the splits, each channel weighed by its attention (equation 2).

    Args:
        x: feature map, channels radix-major.
        attention: weights as :func:`radix_attention` gives them.
        radix: number of splits R.

    Shape:
        (N, R * C, H, W), (N, R * C, 1, 1) -> (N, C, H, W)
    """
    first, *others = map(torch.mul, x.chunk(radix, dim=1), attention.chunk(radix, dim=1))
    return sum(others, start=first)
