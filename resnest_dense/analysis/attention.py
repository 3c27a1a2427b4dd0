"""Which split or branch each channel chose: the attention of every block while a model runs."""

import contextlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resnest_dense.errors import ResNeStError
from resnest_dense.nn.gate import SqueezeExcitation
from resnest_dense.nn.spatial.split_attention import BranchAttention

__all__ = ["BlockAttention", "Recording", "record_attention"]

_PLACE = re.compile(r"(?:^|\.)(res[2-5])\.(\d+)\.(?:conv2|gate)$")


@dataclass(frozen=True)
class BlockAttention:
    """The attention of one block for one image.

    Args:
        stage: "res2" to "res5".
        block: number in its stage, from 0.
        weights: (R, C) of R splits (or branches of selective kernels) and C channels: a softmax
            over R, so a column adds up to 1; with one split, and of a gate, a sigmoid.
    """

    stage: str
    block: int
    weights: Tensor

    @property
    def chosen(self) -> Tensor:
        """(C,): the split with the largest weight, from 0."""
        return self.weights.argmax(dim=0)

    def shares(self) -> list[float]:
        """Of each split, the share of channels that chose it."""
        radix, channels = self.weights.shape
        return (self.chosen.bincount(minlength=radix) / channels).tolist()


class Recording:
    """What :func:`record_attention` has seen."""

    def __init__(self):
        self._seen: dict[tuple[str, int], list[Tensor]] = defaultdict(list)

    def add(self, stage: str, block: int, weights: Tensor) -> None:
        """Keeps the weights (N, R, C) of one call."""
        self._seen[stage, block].append(weights.detach().float().cpu())

    def blocks(self) -> list[BlockAttention]:
        """The attention by stage and block; a mean where the model ran more than once.

        Raises:
            ResNeStError: no model with attention has run.
        """
        if not self._seen:
            raise ResNeStError("No block with attention has run: the model is neither a ResNeSt, "
                               "nor an SE or SK network.")
        return [BlockAttention(*place, torch.cat(self._seen[place]).mean(dim=0))
                for place in sorted(self._seen)]


@contextlib.contextmanager
def record_attention(model: nn.Module) -> Iterator[Recording]:
    """Inside: each run of ``model`` is recorded.

    Args:
        model: a ResNeSt, an SE or SK network, or a detector or segmentor with one inside.
    """
    recording, hooks = Recording(), []
    for name, module in model.named_modules():
        place = _PLACE.search(name)
        if place and isinstance(module, (BranchAttention, SqueezeExcitation)):
            hooks.append(module.fc2.register_forward_hook(
                _keeper(recording, module, place[1], int(place[2]))))
    try:
        yield recording
    finally:
        for hook in hooks:
            hook.remove()


def _keeper(recording: Recording, module: BranchAttention | SqueezeExcitation, stage: str,
            block: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def keep(_: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        weights = module.weights(logits)
        recording.add(stage, block, weights.reshape(len(weights), module.radix, -1))

    return keep
