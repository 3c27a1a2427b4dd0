"""An ImageNet classifier: a backbone, a global average, dropout and a linear layer."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense.architectures import Architecture
from resnest_dense.inference.traced import TracedClassifier
from resnest_dense.nn.bottleneck import EXPANSION
from resnest_dense.nn.resnest import ResNeSt

__all__ = ["Classifier"]

_FEATURES = 512 * EXPANSION


class Classifier(ResNeSt):
    """A network with its classifier, parameters named as in a :class:`resnest_dense.ResNeSt` and
    ``linear.*``. The layer is also ``fc``, as guides to the official network call it.

    Args:
        architecture: what the network is like.
        num_classes: number of classes.
        dropout: share of the pooled features that training leaves out.
        options: as for :class:`resnest_dense.ResNeSt`.

    Shape:
        (N, in_channels, H, W) -> (N, num_classes), logits
    """

    def __init__(self, architecture: Architecture, *, num_classes: int = 1000,
                 dropout: float = 0.0, **options: Any):
        super().__init__(architecture, out_features=("res5",), **options)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(_FEATURES, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(super().forward(x)["res5"], 1)
        return self.linear(self.dropout(torch.flatten(pooled, 1)))

    def __prepare_scriptable__(self) -> nn.Module:
        return TracedClassifier(self, self.in_channels)

    @property
    def fc(self) -> nn.Module:
        """The last layer."""
        return self.linear

    def __setattr__(self, name: str, value: Any) -> None:
        # torch keeps modules out of reach of properties; under a name of its own, a new layer
        # would never run.
        super().__setattr__("linear" if name == "fc" else name, value)
