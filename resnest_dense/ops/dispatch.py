"""Which implementation of split attention serves a tensor."""

import contextlib
import functools
import importlib.util
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from resnest_dense.errors import ResNeStError, ResNeStValueError, near
from resnest_dense.ops import cpu, reference
from resnest_dense.ops.reference import radix_attention
from resnest_dense.ops.selftest import is_sound, require_sound

__all__ = ["Map", "choose", "forced", "radix_attention", "radix_pool", "radix_sum"]

NAMES = ("reference", "cpu", "triton")

# A tensor, or a ``LazyMap`` of the Triton implementation (which is imported when it is needed
# alone).
Map = Any

# Read once: asking the environment in every block's forward would stop a compiler.
_forced = os.environ.get("RESNEST_DENSE_OPS")


@contextlib.contextmanager
def forced(name: str | None) -> Iterator[None]:
    """Inside, the implementation called ``name`` serves every tensor; None: whichever fits.

    Raises:
        ResNeStValueError: an unknown name.
    """
    global _forced
    before, _forced = _forced, name
    try:
        yield
    finally:
        _forced = before


def radix_pool(x: Tensor, radix: int, scale: Tensor | None = None,
               shift: Tensor | None = None) -> Tensor:
    """Radix-summed global average: :func:`resnest_dense.ops.reference.radix_pool`."""
    return choose(x).radix_pool(x, radix, scale, shift)


def radix_sum(x: Tensor, attention: Tensor, radix: int, scale: Tensor | None = None,
              shift: Tensor | None = None) -> Tensor:
    """Weighted sum of the splits: :func:`resnest_dense.ops.reference.radix_sum`."""
    return choose(x).radix_sum(x, attention, radix, scale, shift)


def choose(x: Tensor, folded: bool = False) -> ModuleType:
    """The implementation that serves ``x``; ``RESNEST_DENSE_OPS`` forces one.

    CUDA: Triton. CPU: the CPU form for training and for folded norms. The definition elsewhere:
    for inference with norms unfolded and for float64, whose users compare digits with the official
    code; under a compiler, which fuses it; in a graph that must run without torch (TorchScript,
    ONNX).

    Args:
        x: the map that is to be attended to.
        folded: whether its norm is folded into its convolution (a fused network).

    Raises:
        ResNeStValueError: ``RESNEST_DENSE_OPS`` names no implementation.
        ResNeStError: it names Triton where Triton is not installed.
    """
    if _forced:
        implementation = _by_name(_forced)
        if x.is_cuda and _forced == "triton" and not torch.compiler.is_compiling():
            require_sound(x.device, x.dtype)
        return implementation
    if x.dtype == torch.float64 or torch.jit.is_tracing() or torch.onnx.is_in_onnx_export():
        return reference
    if torch.compiler.is_compiling() or x.device.type not in ("cpu", "cuda"):
        return reference
    if x.is_cuda:
        return _by_name("triton") if _has_triton() and is_sound(x.device, x.dtype) else reference
    trains = torch.is_grad_enabled() and x.requires_grad
    return cpu if folded or trains else reference


def _by_name(name: str) -> ModuleType:
    if name == "triton":
        return _import_triton()
    if name not in NAMES:
        raise ResNeStValueError(f"RESNEST_DENSE_OPS={name!r}. {near(name, NAMES)}")
    return {"reference": reference, "cpu": cpu}[name]


@functools.cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


@functools.cache
def _import_triton() -> ModuleType:
    if not _has_triton():
        raise ResNeStError(
            "RESNEST_DENSE_OPS=triton, but the package triton is not installed: install it, or "
            "unset the variable."
        )
    # Imported here alone: Triton is there on Linux only, and takes a second to import.
    from resnest_dense.ops import triton

    return triton
