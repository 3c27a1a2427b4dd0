"""Which implementation of split attention serves a tensor."""

import functools
import importlib.util
import os
from types import ModuleType

import torch
from torch import Tensor

from resnest_dense.errors import ResNeStError, ResNeStValueError, near
from resnest_dense.ops import cpu, reference
from resnest_dense.ops.reference import radix_attention

__all__ = ["choose", "radix_attention", "radix_pool", "radix_sum"]

NAMES = ("reference", "cpu", "triton")


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

    CUDA: Triton. CPU: the CPU form for training and for folded norms. The definition elsewhere: for
    inference with norms unfolded and for float64, whose users compare digits with the official code;
    under a compiler, which fuses it; in a graph that must run without torch (TorchScript, ONNX).

    Args:
        x: the map that is to be attended to.
        folded: whether its norm is folded into its convolution (a fused network).

    Raises:
        ResNeStValueError: ``RESNEST_DENSE_OPS`` names no implementation.
        ResNeStError: it names Triton where Triton is not installed.
    """
    forced = os.environ.get("RESNEST_DENSE_OPS")
    if forced:
        return _by_name(forced)
    if x.dtype == torch.float64 or torch.jit.is_tracing() or torch.onnx.is_in_onnx_export():
        return reference
    if x.is_cuda:
        return _by_name("triton") if _has_triton() else reference
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return reference
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
