"""Activation checkpointing of a stage, without changing what its norms learn."""

import contextlib

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from resnest_dense.nn.recompute import suspended

__all__ = ["run_checkpointed"]


def run_checkpointed(blocks: nn.Sequential, x: Tensor) -> Tensor:
    """``blocks(x)``, keeping only the input of each block and recomputing the rest in backward."""
    for block in blocks:
        x = checkpoint(block, x, use_reentrant=False, context_fn=lambda block=block: (
            suspended(), _statistics_untouched(block)))
    return x


@contextlib.contextmanager
def _statistics_untouched(block: nn.Module):
    # The second forward must not move the running statistics once more. Leaving them out of the
    # call would change what it saves for backward, so they move by nothing instead.
    norms = [m for m in block.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        with suspended():
            yield
    finally:
        for norm, (momentum, batches) in zip(norms, before):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(batches)
