"""A network as TorchScript has it: the graph of one pass, which serves any batch and size."""

import torch
from torch import Tensor, nn

from resnest_dense.errors import ResNeStError

__all__ = ["Traced", "TracedClassifier"]


class Traced(nn.Module):
    """What ``torch.jit.script`` takes in place of a network that puts out a dict of tensors, whose
    code says more than TorchScript knows.

    Args:
        net: the network, in eval mode; parameters are shared.
        channels: of its input.

    Raises:
        ResNeStError: a network in training mode.

    Shape:
        (N, channels, H, W) -> {name: (N, C_name, H_name, W_name)}
    """

    def __init__(self, net: nn.Module, channels: int):
        super().__init__()
        if net.training:
            raise ResNeStError("torch.jit.script takes a network for inference: call eval() first.")
        # More than one image, and odd sides: nothing may be taken for 1, or for even.
        example = next(net.parameters()).new_zeros(2, channels, 65, 97)
        with torch.no_grad():
            self.traced = torch.jit.trace(net, example, strict=False, check_trace=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.traced(x)


class TracedClassifier(Traced):
    """The same of a network that puts out one tensor.

    Shape:
        (N, channels, H, W) -> (N, classes)
    """

    def forward(self, x: Tensor) -> Tensor:
        return self.traced(x)
