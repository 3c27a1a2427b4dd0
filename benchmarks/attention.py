"""The steps of split attention against the bandwidth of a copy, by implementation.

    python -m benchmarks.attention --device cuda --dtype bfloat16 --size 8 800 1216

At the sizes of a radix-2 network's four stages. "Share" is the bytes that a step must move (values
of the map in, values out; none twice) over what a large copy moves in the same time; "copy" is one
of the map itself. On a GPU the runs take turns on several maps, so that none is still in the cache,
and the time to launch them is left out.
"""

import argparse
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.bounds import copy_bandwidth
from resnest_dense.analysis import describe_machine, time_in_turn
from resnest_dense.ops import cpu, reference

__all__ = ["main", "measure"]

RADIX = 2
CACHE_BYTES = 256e6  # several times the 50 MB of an H100
STAGES = {"res2": (64, 4), "res3": (128, 8), "res4": (256, 16), "res5": (512, 32)}  # C, stride


def implementations(device: torch.device) -> dict[str, ModuleType]:
    """Those that compute on ``device``, by name."""
    if device.type != "cuda":
        return {"reference": reference, "cpu": cpu}
    from resnest_dense.ops import triton

    return {"reference": reference, "triton": triton}


def draw_maps(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> list[Tensor]:
    """As many maps as a GPU's cache does not hold; a single one for a CPU."""
    x = torch.randn(shape, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    count = math.ceil(CACHE_BYTES / x.nbytes) if device.type == "cuda" else 1
    return [x] + [x.clone() for _ in range(count - 1)]


def steps(implementation: ModuleType, maps: Sequence[Tensor],
          scale: Tensor) -> dict[str, tuple[Callable[[], object], int]]:
    """The runs to time and the values a pixel and channel of the output that each must move."""
    attention = scale.view(1, -1, 1, 1).repeat(maps[0].shape[0], 1, 1, 1)
    affine = (scale, torch.zeros_like(scale)) if implementation.LAZY else ()
    leaves = [x.detach().requires_grad_() for x in maps]
    split = [(attend(implementation, x, attention, *affine), x) for x in leaves]

    def forward(step: Callable[..., object], *arguments: object) -> Callable[[], object]:
        turn = itertools.cycle(maps)
        return lambda: step(next(turn), *arguments)

    found = {
        "pool": (forward(implementation.radix_pool, RADIX, *affine), RADIX),
        "sum": (forward(implementation.radix_sum, attention, RADIX, *affine), RADIX + 1),
        # The gradient by the attention must be known before that of the map.
        "pool and sum, backward": (backward(split), (RADIX + 1) + (2 * RADIX + 1)),
    }
    norm_relu = norm_by_kernels if implementation.LAZY else norm_by_torch
    normed = [(norm_relu(x, scale, maps[0]), x) for x in leaves]
    return found | {
        "norm, residual, ReLU": (forward(norm_relu, scale, maps[0]), 4 * RADIX),
        # The sums of a norm's backward must be known before its gradient.
        "norm, residual, ReLU, backward": (backward([((y,), x) for y, x in normed]), 7 * RADIX),
    }


def attend(implementation: ModuleType, x: Tensor, attention: Tensor,
           *affine: Tensor) -> tuple[Tensor, ...]:
    """Pool and weighted sum of one map, as a block uses them."""
    if affine:
        x, affine = implementation.LazyMap(x, *affine), ()
    return (implementation.radix_pool(x, RADIX, *affine),
            implementation.radix_sum(x, attention, RADIX, *affine))


def norm_by_kernels(x: Tensor, weight: Tensor, residual: Tensor) -> Tensor:
    """A batch norm in training with what ends a block."""
    from resnest_dense.ops.triton import LazyMap

    lazy = LazyMap(x)
    mean, var = lazy.moments()
    lazy.scale = weight.float() * (var + 1e-5).rsqrt()
    lazy.shift = -mean * lazy.scale
    return lazy.normalise(residual, relu=True)


def norm_by_torch(x: Tensor, weight: Tensor, residual: Tensor) -> Tensor:
    """The same by torch's operators."""
    y = functional.batch_norm(x, None, None, weight.float(), None, training=True)
    y += residual
    return y.relu_()


def backward(pairs: Sequence[tuple[tuple[Tensor, ...], Tensor]]) -> Callable[[], object]:
    """Gradients of the maps by what was made of them, one after the other."""
    turn = itertools.cycle(pairs)
    gradients = [torch.ones_like(made) for made in pairs[0][0]]

    def run() -> tuple[Tensor, ...]:
        made, x = next(turn)
        return torch.autograd.grad(made, x, gradients, retain_graph=True)

    return run


def copy_of(maps: Sequence[Tensor]) -> Callable[[], object]:
    turn, target = itertools.cycle(maps), torch.empty_like(maps[0])
    return lambda: target.copy_(next(turn))


def measure(size: tuple[int, int, int], dtype: torch.dtype, device: torch.device,
            rounds: int) -> Iterator[tuple[str, str, str, float, float]]:
    """Rows (stage, step, implementation, milliseconds, share of a copy's bandwidth)."""
    bandwidth = copy_bandwidth(device)
    count, height, width = size
    for stage, (channels, stride) in STAGES.items():
        maps = draw_maps((count, RADIX * channels, height // stride, width // stride), dtype,
                         device)
        scale = torch.rand(RADIX * channels, device=device, dtype=dtype)
        runs = {(step, name): run for name, implementation in implementations(device).items()
                for step, run in steps(implementation, maps, scale).items()}
        runs["copy", "torch"] = copy_of(maps), 2 * RADIX
        timings = time_in_turn({key: run for key, (run, _) in runs.items()}, rounds=rounds,
                               device=device, queued=True)
        for (step, name), timing in sorted(timings.items()):
            moved = runs[step, name][1] * maps[0].nbytes / RADIX
            yield stage, step, name, 1e3 * timing.median, moved / timing.median / bandwidth


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=3, default=(1, 512, 800), metavar=("N", "H", "W"))
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=21)
    args = parser.parse_args(arguments)
    print(f"Images {args.size}, {args.dtype}, {args.device}. {describe_machine()}\n")
    print("| stage | step | implementation | ms | share of copy bandwidth |\n|---|---|---|---|---|")
    rows = measure(args.size, getattr(torch, args.dtype), torch.device(args.device), args.rounds)
    for stage, step, name, milliseconds, share in rows:
        print(f"| {stage} | {step} | {name} | {milliseconds:.3f} | {100 * share:.0f}% |")


if __name__ == "__main__":
    main()
