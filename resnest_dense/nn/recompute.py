"""Activations that backward makes again from a convolution's output instead of keeping them.

Of the 15 units of activations (of ``planes`` channels) that a block keeps when all of it is left to
autograd, 4 are maps behind a norm or the attention. What they are made from is kept in any case, for
the norm's own backward, and making them costs two or three passes over memory.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

from resnest_dense.nn.norm import SyncBatchNorm, normalises_alone

__all__ = ["consuming", "norm_relu", "recomputed", "suspended"]

_made_again = WeakTensorKeyDictionary()
_state = threading.local()


class _Recomputed:
    """How to make a tensor again, standing for it among the tensors that autograd keeps."""

    def __init__(self, tensor: Tensor, make: Callable[[], Tensor]):
        self._key = _storage_key(tensor)
        self._make = make
        self._made = None

    def __call__(self) -> Tensor:
        # Backward runs without gradients, unless its own are asked for (create_graph): then what is
        # made has the history of what it stands for.
        if self._made is None:
            self._made = self._make()
        return self._made

    def pack(self, tensor: Tensor):
        return self if _storage_key(tensor) == self._key else tensor

    def unpack(self, kept) -> Tensor:
        return kept() if kept is self else kept

    def unpack_last(self, kept) -> Tensor:
        tensor, self._made = self.unpack(kept), None
        return tensor


def norm_relu(norm: nn.Module | None, x: Tensor) -> Tensor:
    """``relu(norm(x))``; a batch norm's is made again from ``x`` in backward.

    Shape:
        (N, C, H, W) -> the same
    """
    y = x if norm is None else norm(x)
    batch_norm = type(norm) in (nn.BatchNorm2d, SyncBatchNorm) and normalises_alone(norm)
    if not (batch_norm and _worthwhile(y)):
        return F.relu_(y)
    of_batch = norm.training or norm.running_mean is None
    statistics = (None, None) if of_batch else (norm.running_mean, norm.running_var)
    again = _Recomputed(y, lambda: F.relu_(F.batch_norm(
        x, *statistics, norm.weight, norm.bias, of_batch, 0.0, norm.eps)))
    with saved_tensors_hooks(again.pack, again.unpack_last):
        y = F.relu_(y)
    _made_again[y] = again
    return y


def recomputed(result: Tensor, make: Callable[[Tensor], Tensor], source: Tensor) -> Tensor:
    """``result``, which backward is to make again as ``make(source)``."""
    if _worthwhile(result):
        of_source = _made_again.get(source, lambda: source)
        _made_again[result] = _Recomputed(result, lambda: make(of_source()))
    return result


def consuming(x: Tensor) -> contextlib.AbstractContextManager:
    """The context in which ``x`` is used: what is used there need not be kept for backward."""
    again = None if torch.compiler.is_compiling() else _made_again.get(x)
    return saved_tensors_hooks(again.pack, again.unpack) if again else contextlib.nullcontext()


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """Inside, nothing is made again: checkpointing keeps nothing that could stand for it."""
    before, _state.suspended = getattr(_state, "suspended", False), True
    try:
        yield
    finally:
        _state.suspended = before


def _worthwhile(y: Tensor) -> bool:
    # Compilers decide for themselves what to make again; traced graphs are for inference.
    return (y.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling()
            and not torch.jit.is_tracing() and not getattr(_state, "suspended", False))


def _storage_key(tensor: Tensor) -> tuple:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype
