"""The plain network against the official torch code: same weights, same input, in turn.

    python -m benchmarks.official --architecture resnest50 --out benchmarks/results/official.md
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from resnest.torch.models import resnest as official
from torch import nn

from benchmarks.machine import describe_machine
from resnest_dense import create_backbone
from resnest_dense.weights import load

LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


class Trunk(nn.Module):
    """The official network up to its last feature map."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.parts = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2,
                                   net.layer3, net.layer4)

    def forward(self, x):
        return self.parts(x)


def seconds(net: nn.Module, x: torch.Tensor) -> float:
    """Time of one forward pass."""
    start = time.perf_counter()
    net(x)
    return time.perf_counter() - start


@torch.inference_mode()
def compare(name: str, size: tuple[int, int], repeats: int) -> str:
    """A Markdown table: a row a layout, the median of the ratios pair by pair."""
    theirs = getattr(official, name)().eval()
    ours = create_backbone(name, out_features=["res5"]).eval()
    load(ours, theirs.state_dict())
    trunk = Trunk(theirs).eval()
    rows = ["| layout | ours (s) | official (s) | ours / official, median | lowest | highest |",
            "|---|---|---|---|---|---|"]
    for layout, memory_format in LAYOUTS.items():
        x = torch.randn(1, 3, *size).to(memory_format=memory_format)
        nets = [net.to(memory_format=memory_format) for net in (ours, trunk)]
        for net in nets:
            net(x)
        pairs = [[seconds(net, x) for net in nets] for _ in range(repeats)]
        ratios = [a / b for a, b in pairs]
        medians = [statistics.median(column) for column in zip(*pairs)]
        rows.append(f"| {layout} | {medians[0]:.3f} | {medians[1]:.3f} | "
                    f"{statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", default="resnest50")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 800), metavar=("H", "W"))
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    text = (f"# {args.architecture} against the official torch code\n\n"
            f"1x3x{args.size[0]}x{args.size[1]}, float32, eval, {args.repeats} pairs in turn. "
            f"{describe_machine()}.\n\n{compare(args.architecture, args.size, args.repeats)}\n")
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
