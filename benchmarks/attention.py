"""The steps of split attention against the bandwidth of a copy, by implementation.

    python -m benchmarks.attention --device cuda --dtype bfloat16 --size 8 800 1216

At the sizes of a radix-2 network's four stages. "Share" is the bytes that a step must move (values
of the map in, values out; none twice) over what a copy moves in the same time.
"""

import argparse

import torch

from benchmarks.bounds import copy_bandwidth
from resnest_dense.benchmark import describe_machine, time_in_turn
from resnest_dense.ops import cpu, reference

__all__ = ["main", "measure"]

RADIX = 2
STAGES = {"res2": (64, 4), "res3": (128, 8), "res4": (256, 16), "res5": (512, 32)}  # C, stride


def implementations(device: torch.device) -> dict:
    """Those that compute on ``device``, by name."""
    if device.type != "cuda":
        return {"reference": reference, "cpu": cpu}
    from resnest_dense.ops import triton

    return {"reference": reference, "triton": triton}


def steps(implementation, x: torch.Tensor, scale: torch.Tensor) -> dict:
    """The runs to time and the values a pixel and channel of the output that each must move."""
    attention = scale.view(1, -1, 1, 1).repeat(x.shape[0], 1, 1, 1)
    affine = (scale, torch.zeros_like(scale)) if implementation.LAZY else ()
    mapped = x.detach().requires_grad_()
    out = implementation.radix_sum(mapped, attention, RADIX, *affine)
    gradient = torch.ones_like(out)
    return {
        "pool": (lambda: implementation.radix_pool(x, RADIX, *affine), RADIX),
        "sum": (lambda: implementation.radix_sum(x, attention, RADIX, *affine), RADIX + 1),
        "sum, backward": (lambda: torch.autograd.grad(out, mapped, gradient, retain_graph=True),
                          2 * RADIX + 1),
    }


def measure(size: tuple[int, int, int], dtype: torch.dtype, device: torch.device, rounds: int):
    """Rows (stage, step, implementation, milliseconds, share of a copy's bandwidth)."""
    bandwidth = copy_bandwidth(device)
    count, height, width = size
    for stage, (channels, stride) in STAGES.items():
        x = torch.randn(count, RADIX * channels, height // stride, width // stride, device=device,
                        dtype=dtype).to(memory_format=torch.channels_last)
        scale = torch.rand(RADIX * channels, device=device, dtype=dtype)
        runs = {(step, name): run for name, implementation in implementations(device).items()
                for step, run in steps(implementation, x, scale).items()}
        timings = time_in_turn({key: run for key, (run, _) in runs.items()}, rounds=rounds,
                               device=device)
        for (step, name), timing in sorted(timings.items()):
            moved = runs[step, name][1] * x.nbytes / RADIX
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
