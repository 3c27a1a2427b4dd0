"""What weighs a block's output before the addition: squeeze-excitation."""

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ScSE", "SqueezeExcitation", "make_gate"]


class SqueezeExcitation(nn.Module):
    """Each channel weighed by what all of the map says (SE, arXiv 1709.01507):
    ``x * sigmoid(fc2(relu(fc1(mean(x)))))``.

    Args:
        channels: channels C of the map.
        reduction: C over the channels between the two layers.

    Shape:
        (N, C, H, W) -> the same
    """

    radix = 1  # there is nothing that a channel could choose from

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True)
        return x * self.weights(self.fc2(F.relu(self.fc1(pooled))))

    def weights(self, logits: Tensor) -> Tensor:
        """What the channels are multiplied by, (N, C, 1, 1)."""
        return logits.sigmoid()


class ScSE(SqueezeExcitation):
    """Channels weighed as by SE, plus pixels weighed by a 1x1 (scSE, arXiv 1803.02579):
    ``x * sigmoid(spatial(x)) + se(x)``; parameters and shapes as of :class:`SqueezeExcitation`.
    """

    def __init__(self, channels: int, reduction: int = 2):
        super().__init__(channels, reduction)
        self.spatial = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.spatial(x).sigmoid() + super().forward(x)


_GATES = {"": lambda channels: None, "se": SqueezeExcitation, "scse": ScSE}


def make_gate(name: str, channels: int) -> nn.Module | None:
    """The gate called ``name`` (of :data:`resnest_dense.architectures.GATES`) of a block that puts
    out ``channels``; None for none."""
    return _GATES[name](channels)
