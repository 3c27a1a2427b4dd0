"""Less memory in training: maps that backward makes again instead of keeping them.

Of the 15 units of activations (of ``planes`` channels) that a block keeps when all of it is left to
autograd, 4 are maps behind a norm or the attention. What they are made from is kept in any case,
for the norm's own backward, and making them costs two or three passes over memory. Checkpointing
goes further: of a whole block it keeps the input alone.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.batchnorm import _BatchNorm

from resnest_dense.ops import Map

__all__ = ["consuming", "may_recompute", "recomputed", "recomputed_relu", "run_checkpointed",
           "suspended"]

# Where a tensor that can be made again holds how.
_ATTRIBUTE = "_resnest_dense_recomputation"
_state = threading.local()


class _Recomputation:
    """How to make a tensor again, standing for it among the tensors that autograd keeps."""

    def __init__(self, tensor: Tensor, make: Callable[[], Tensor]):
        self._key = _storage_key(tensor)
        self._make = make
        self._made: Tensor | None = None

    def __call__(self) -> Tensor:
        # Backward runs without gradients, unless its own are asked for (create_graph): then what is
        # made has the history of what it stands for.
        if self._made is None:
            self._made = self._make()
        return self._made

    def pack(self, tensor: Tensor) -> object:
        return self if _storage_key(tensor) == self._key else tensor

    def unpack(self, kept: Any) -> Tensor:
        return kept() if kept is self else kept

    def unpack_last(self, kept: Any) -> Tensor:
        tensor, self._made = self.unpack(kept), None
        return tensor


def consuming(x: Map) -> contextlib.AbstractContextManager:
    """The context in which a layer uses its input ``x``: where backward can make ``x`` again, what
    is used here is not kept."""
    again = None if torch.compiler.is_compiling() else getattr(x, _ATTRIBUTE, None)
    return saved_tensors_hooks(again.pack, again.unpack) if again else contextlib.nullcontext()


def recomputed(result: Tensor, make: Callable[[Map], Tensor], source: Map) -> Tensor:
    """``result``, which backward is to make again as ``make(source)``.

    Args:
        result: what is not to be kept.
        make: computes it.
        source: a tensor, which may be made again itself, or a map that is never written.
    """
    if may_recompute(result):
        if isinstance(source, Tensor):
            of_source = getattr(source, _ATTRIBUTE, lambda: source)
        else:
            detached = source.detach()
            of_source = lambda: detached  # noqa: E731
        setattr(result, _ATTRIBUTE, _Recomputation(result, lambda: make(of_source())))
    return result


def recomputed_relu(y: Tensor, make: Callable[[], Tensor]) -> Tensor:
    """``relu(y)`` in place, which backward makes again as ``make()``, also for the ReLU's own
    mask."""
    again = _Recomputation(y, make)
    with saved_tensors_hooks(again.pack, again.unpack_last):
        y = y.relu_()
    setattr(y, _ATTRIBUTE, again)
    return y


def may_recompute(y: Tensor) -> bool:
    """Whether ``y`` need not be kept for backward: neither in a graph that is compiled (compilers
    decide for themselves), nor in one that is traced for inference, nor inside :func:`suspended`.
    """
    return (y.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling()
            and not torch.jit.is_tracing() and not getattr(_state, "suspended", False))


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """Inside, nothing is made again: checkpointing keeps nothing that could stand for it."""
    before, _state.suspended = getattr(_state, "suspended", False), True
    try:
        yield
    finally:
        _state.suspended = before


def run_checkpointed(blocks: nn.Sequential, x: Tensor) -> Tensor:
    """``blocks(x)``, keeping only the input of each block and recomputing the rest in backward; the
    norms learn what they learn without it."""
    from torch.utils.checkpoint import checkpoint

    for block in blocks:
        x = checkpoint(block, x, use_reentrant=False,
                       context_fn=functools.partial(_checkpoint_contexts, block))
    return x


def _checkpoint_contexts(block: nn.Module) -> tuple[contextlib.AbstractContextManager,
                                                    contextlib.AbstractContextManager]:
    """Those in which ``block`` runs for the first time, and again."""
    return suspended(), _statistics_untouched(block)


@contextlib.contextmanager
def _statistics_untouched(block: nn.Module) -> Iterator[None]:
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


def _storage_key(tensor: Tensor) -> tuple:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype
