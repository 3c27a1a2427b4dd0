"""What no network can beat: its convolutions alone, and moving their inputs and outputs once."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense.analysis import time_in_turn

__all__ = ["ConvolutionsAlone", "copy_bandwidth"]


class ConvolutionsAlone:
    """Every convolution of a network at the sizes that it has there, one after the other.

    Convolutions of the same size read the same random input: it is as often in the cache as in the
    network, where the layer before has just written it.

    Args:
        net: the network; its layout is that of the weights.
        x: an input of it, in the same layout.
        training: whether their backward follows.
    """

    def __init__(self, net: nn.Module, x: Tensor, *, training: bool):
        self.training = training
        self._calls, self._tensors = [], {}
        hooks = [module.register_forward_hook(self._record) for module in net.modules()
                 if isinstance(module, nn.Conv2d)]
        with torch.no_grad():
            net(x)
        for hook in hooks:
            hook.remove()

    def _record(self, conv, inputs, output):
        # The output is seen behind the norm, which changes neither its shape nor its layout.
        for like in (*inputs, output):
            if like.shape not in self._tensors:
                self._tensors[like.shape] = torch.randn_like(like)
        self._calls.append((conv, inputs[0].shape, output.shape))

    @property
    def bytes(self) -> int:
        """Inputs, weights and outputs of the convolutions, each moved once (forward)."""
        return sum(conv.weight.nbytes + self._tensors[read].nbytes + self._tensors[written].nbytes
                   for conv, read, written in self._calls)

    def __call__(self) -> None:
        with torch.set_grad_enabled(self.training):
            self._run()

    def _run(self) -> None:
        for conv, read, written in self._calls:
            # The image, of three channels, needs no gradient.
            x = self._tensors[read].detach().requires_grad_(self.training and read[1] > 3)
            y = F.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation,
                         conv.groups)
            if self.training:
                y.backward(self._tensors[written])
                conv.zero_grad()


def copy_bandwidth(device: str | torch.device, *, megabytes: int = 256) -> float:
    """Bytes per second, read and written counted, of the fastest of several large copies."""
    source = torch.ones(megabytes << 18, device=device)
    target = torch.empty_like(source)
    timing = time_in_turn({"copy": lambda: target.copy_(source)}, rounds=5, device=device)["copy"]
    return 2 * source.nbytes / timing.low
