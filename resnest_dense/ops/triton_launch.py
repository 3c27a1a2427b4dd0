"""Launches of the Triton kernels: how a map is cut among programs, and as little work as possible
on the CPU, which a training step of small maps would wait for."""

import contextlib
import functools
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from resnest_dense.errors import ResNeStError
from resnest_dense.ops.triton_kernels import ACC

__all__ = ["SMALL_TILE", "Tiling", "by_run", "cut", "dense", "each_pixel", "in_layout_of",
           "is_channels_last", "launch", "map_like", "strides_of", "sum_type"]

# Values of a tile: where a map is written, and where registers are short (sums, windows of pixels).
TILE, SMALL_TILE = 4096, 2048
WARPS = 4
# Sums are taken by about this many programs.
PROGRAMS = 1024

# What Triton has compiled, and the constants that it is called with.
_launchers: dict[tuple, tuple[Any, list[object]]] = {}


class Tiling(NamedTuple):
    """How a map is cut: tiles long in the dimension that lies together in memory, several of which
    are a run, the work of one program."""

    images: int
    channels: int
    pixels: int
    block_c: int
    block_p: int
    steps: int
    runs: int
    blocks: int

    @property
    def length(self) -> int:
        """Pixels of a run."""
        return self.steps * self.block_p


@functools.lru_cache(maxsize=4096)
def cut(images: int, channels: int, pixels: int, channels_last: bool, tile: int,
        sums: bool = False) -> Tiling:
    """The cut of a map into tiles; for sums, in runs of several."""
    widest = 128 if channels_last else 8
    block_c = min(triton.next_power_of_2(channels), widest)
    block_p = min(triton.next_power_of_2(max(pixels, 1)), tile // block_c)
    tiles, blocks = -(-pixels // block_p), -(-channels // block_c)
    steps = max(1, images * blocks * tiles // PROGRAMS) if sums else 1
    return Tiling(images, channels, pixels, block_c, block_p, steps, -(-tiles // steps), blocks)


def each_pixel(kernel: triton.JITFunction, x: Tensor, channels: int,
               pointers: Sequence[Tensor], numbers: Sequence[int], tile: int = TILE,
               **constants: object) -> None:
    """Runs a kernel that writes a map.

    Args:
        kernel: takes ``pointers``, channels, pixels, blocks of channels, ``numbers`` and constants.
        x: a map with the pixels and the layout of the one that is written.
        channels: of which a program takes a block.
        pointers: the tensors that it reads and writes.
        numbers: strides and the like.
        tile: how many values it takes at a time.
        constants: known when it is compiled.
    """
    if x.numel():
        tiling = cut(x.shape[0], channels, x.shape[2] * x.shape[3], is_channels_last(x), tile)
        launch(kernel, (tiling.runs * tiling.blocks, tiling.images), pointers,
               (channels, tiling.pixels, tiling.blocks, *numbers),
               ACC=ACC[sum_type(x)], BLOCK_C=tiling.block_c, BLOCK_P=tiling.block_p, **constants)


def by_run(kernel: triton.JITFunction, x: Tensor, count: int, channels: int,
           pointers: Sequence[Tensor], numbers: Sequence[int],
           **constants: object) -> tuple[Tensor, Tiling]:
    """The ``count`` sums over the pixels of each run, (count, N, runs, channels of x), by a kernel
    as :func:`each_pixel` takes it, which gets them last of its pointers."""
    tiling = cut(x.shape[0], channels, x.shape[2] * x.shape[3], is_channels_last(x), SMALL_TILE,
                 sums=True)
    found = x.new_empty(count, tiling.images, tiling.runs, x.shape[1], dtype=sum_type(x))
    if x.numel():
        programs = tiling.runs * tiling.blocks * (x.shape[1] // channels)
        launch(kernel, (programs, tiling.images), (*pointers, *found.unbind()),
               (channels, tiling.pixels, tiling.runs, tiling.blocks, *numbers),
               ACC=ACC[sum_type(x)], BLOCK_C=tiling.block_c, BLOCK_P=tiling.block_p,
               STEPS=tiling.steps, **constants)
    return found, tiling


def launch(kernel: triton.JITFunction, grid: tuple[int, ...], pointers: Sequence[Tensor],
           numbers: Sequence[int], **constants: object) -> None:
    """``kernel[grid](...)``, of which Triton's own form takes several times longer on the CPU.

    What Triton compiles depends on types, on constants and on whether numbers are 1, divisible by
    16 or large: kernels are kept by these. Tensors that do not begin at 16 bytes go Triton's way.
    """
    x = pointers[0]
    with _on_device_of(x):
        aligned = not any(tensor.data_ptr() & 15 for tensor in pointers)
        key = (kernel.fn, x.device, *constants.values(),
               *[tensor.dtype for tensor in pointers],
               *[n == 1 or (n % 16 == 0, n >> 31) for n in numbers])
        known = _launchers.get(key) if aligned else None
        if known is not None:
            compiled, values = known
            compiled[(*grid, 1, 1)[:3]](*pointers, *numbers, *values)
            return
        compiled = kernel[grid](*pointers, *numbers, **constants, num_warps=WARPS)
        if aligned and compiled is not None:  # Triton's interpreter compiles nothing.
            names = kernel.arg_names[len(pointers) + len(numbers):]
            _launchers[key] = compiled, [constants[name] for name in names]


def _on_device_of(x: Tensor) -> contextlib.AbstractContextManager:
    if x.is_cuda:
        if x.device.index == torch.cuda.current_device():
            return contextlib.nullcontext()
        return torch.cuda.device(x.device)
    if os.environ.get("TRITON_INTERPRET") == "1":
        return contextlib.nullcontext()
    raise ResNeStError(
        f"RESNEST_DENSE_OPS=triton got a tensor on {x.device}: move it to CUDA, unset the "
        "variable, or set TRITON_INTERPRET=1 to run the kernels on a CPU, slowly."
    )


def sum_type(x: Tensor) -> torch.dtype:
    """The type in which sums of ``x`` are taken."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def is_channels_last(x: Tensor) -> bool:
    """Whether the channels of a pixel lie together in memory."""
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def dense(x: Tensor) -> Tensor:
    """``x`` in either layout."""
    return x if is_channels_last(x) else x.contiguous()


def in_layout_of(x: Tensor, tensor: Tensor) -> Tensor:
    """``tensor`` in the layout of ``x``."""
    return tensor.contiguous(memory_format=_layout(x))


def map_like(x: Tensor, channels: int, size: Sequence[int] | None = None) -> Tensor:
    """A new map in type and layout of ``x``, of its height and width where no ``size`` is given."""
    size = x.shape[2:] if size is None else size
    return torch.empty(x.shape[0], channels, *size, dtype=x.dtype, device=x.device,
                       memory_format=_layout(x))


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if is_channels_last(x) else torch.contiguous_format


def strides_of(x: Tensor) -> tuple[int, int, int]:
    """Strides of image, channel and pixel; pixels lie evenly in both layouts."""
    return x.stride(0), x.stride(1), x.shape[1] if is_channels_last(x) else 1
