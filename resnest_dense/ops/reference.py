"""Split attention over R splits and K groups (paper section 3.1): the definition.

Channels are radix-major: the R splits of a tensor lie one behind the other, and inside each split
the K groups do. No function here reshapes a feature map, so its memory layout survives.

Where ``scale`` and ``shift`` are given, ``x`` is the convolution's output and the feature map is
``relu(x * scale + shift)``; else ``x`` is the feature map itself.
"""

import torch
from torch import Tensor

__all__ = ["LAZY", "activate", "radix_attention", "radix_pool", "radix_sum"]

# Whether the steps read a convolution's output with the scale and shift of its norm, rather than
# the map that was normalised in a pass of its own.
LAZY = False


def radix_pool(x: Tensor, radix: int, scale: Tensor | None = None,
               shift: Tensor | None = None) -> Tensor:
    """Global average of the sum of the splits (paper equation 1).

    Summed first and averaged then, as the official code does: a batch norm over the few pooled
    values of a small batch turns a difference in the last digit into one in the seventh.

    Moves (R + 1) C values in and C out for each pixel, and as many again per split beyond the
    second.

    Args:
        x: feature map, or what its norm reads; channels radix-major.
        radix: number of splits R.
        scale: factor of the norm, (R * C,); None: ``x`` is the feature map.
        shift: summand of the norm, (R * C,).

    Shape:
        (N, R * C, H, W) -> (N, C, 1, 1)
    """
    first, *others = activate(x, scale, shift).chunk(radix, dim=1)
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
    batch, channels = logits.shape[:2]
    by_group = logits.reshape(batch, cardinality, radix, channels // (radix * cardinality))
    return by_group.transpose(1, 2).softmax(dim=1).reshape(batch, channels, 1, 1)


def radix_sum(x: Tensor, attention: Tensor, radix: int, scale: Tensor | None = None,
              shift: Tensor | None = None) -> Tensor:
    """Sum of the splits, each channel weighed by its attention (equation 2).

    Moves R C values in, R C products out and in again, and C sums out for each pixel.

    Args:
        x: feature map, or what its norm reads; channels radix-major.
        attention: weights as :func:`radix_attention` gives them.
        radix: number of splits R.
        scale: factor of the norm, (R * C,); None: ``x`` is the feature map.
        shift: summand of the norm, (R * C,).

    Shape:
        (N, R * C, H, W), (N, R * C, 1, 1) -> (N, C, H, W)
    """
    parts = activate(x, scale, shift).chunk(radix, dim=1)
    first, *others = [part * weight for part, weight in zip(parts, attention.chunk(radix, dim=1))]
    return sum(others, start=first)


def activate(x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    """``relu(x * scale + shift)``, computed in float32 at least; ``x`` where there is no scale."""
    if scale is None:
        return x
    assert shift is not None  # They come together.
    return torch.addcmul(shift[:, None, None], x, scale[:, None, None]).relu().to(x.dtype)
