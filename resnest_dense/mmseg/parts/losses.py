"""The loss that weighs classes where pixels have none: MMSegmentation's own fails there (1.2.2)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from resnest_dense.mmseg.registry import MODELS

__all__ = ["WeightedCrossEntropyLoss"]


@MODELS.register_module()
class WeightedCrossEntropyLoss(nn.Module):
    """Cross-entropy of pixels, each with the weight of its class, over the sum of their weights.

    Args:
        class_weight: one for each class.
        loss_weight: factor of the whole.
        loss_name: under which it is logged.
    """

    class_weight: Tensor

    def __init__(self, class_weight: Sequence[float], loss_weight: float = 1.0,
                 loss_name: str = "loss_ce"):
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.register_buffer("class_weight", torch.tensor(class_weight), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor, weight: Tensor | None = None,
                ignore_index: int = 255, **options: Any) -> Tensor:
        """A scalar.

        Args:
            logits: (N, C, H, W).
            labels: (N, H, W), class numbers or ``ignore_index``.
            weight: (N, H, W), of each pixel beside that of its class.
        """
        known = labels != ignore_index
        each = functional.cross_entropy(logits, labels, weight=self.class_weight,
                                        ignore_index=ignore_index, reduction="none")
        weights = self.class_weight[labels.where(known, 0)] * known
        if weight is not None:
            each, weights = each * weight, weights * weight
        return self.loss_weight * each.sum() / weights.sum().clamp(min=1e-6)
