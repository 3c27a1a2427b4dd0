"""The time that no network can beat on a GPU, and a prediction for each network, on paper.

Nothing is measured. Sizes of layers come from a walk through our network on torch's meta device.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterator

import torch
from torch import Tensor, nn

from benchmarks.passes import FLOOR, NETWORKS, passes
from resnest_dense import create_backbone
from resnest_dense.nn.bottleneck import Bottleneck
from resnest_dense.nn.conv import ConvNorm
from resnest_dense.nn.pooling import AvgPool2d
from resnest_dense.nn.spatial.split_attention import SplitAttention
from resnest_dense.nn.stem import Stem

__all__ = ["BYTES", "CARDS", "PARTS", "Convolution", "Layers", "floor", "moved", "predict", "walk"]

PARTS = ("stem", "res2", "res3", "res4", "res5")
# Bytes per second of a large copy, read plus written, as measured on these machines.
CARDS = {"H100": 3.0e12, "H200": 4.3e12}
MATRIX = 798e12
BYTES = 2

# What a prediction takes instead of the ceilings: the share of a copy's bandwidth, operations per
# second of cuDNN's kernels (forward, by input, by weight), small kernels of a block and their time.
SHARE = 0.87
RATES = {"image": (30e12, 30e12, 15e12), "stem": (150e12, 150e12, 80e12),
         "grouped": (150e12, 100e12, 80e12), "dense": (450e12, 400e12, 300e12)}
SMALL = 2.5e-6
SMALL_EACH = {"ours": (25, 171), "official": (16, 45), "timm": (16, 45), "compiled": (6, 30),
              "fused": (12, 12)}
# Seconds that the host needs for a block: 5 us an operator, 8 us in training with its backward.
HOST_EACH = {"ours": (4e-4, 2.2e-3), "official": (2e-4, 7e-4), "timm": (2e-4, 6e-4),
             "compiled": (5e-5, 2e-4), "fused": (2e-4, 2e-4)}


@dataclasses.dataclass(frozen=True)
class Convolution:
    """Values that one convolution reads, holds and writes, and the operations of one pass."""

    part: str
    name: str
    kind: str
    read: int
    weights: int
    written: int
    operations: int


@dataclasses.dataclass
class Layers:
    """A network's convolutions, its other maps as (part, form of :mod:`benchmarks.passes`, values),
    and the number of its blocks."""

    convolutions: list[Convolution] = dataclasses.field(default_factory=list)
    maps: list[tuple[str, str, int]] = dataclasses.field(default_factory=list)
    blocks: int = 0


def walk(architecture: str, size: tuple[int, int, int]) -> Layers:
    """The layers of ``architecture`` for images of ``size`` (count, height, width)."""
    layers = Layers()
    with torch.device("meta"):
        net = create_backbone(architecture)
        for name, module in net.named_modules():
            module.register_forward_hook(_recorder(layers, name.split(".")[0], name))
        net(torch.empty(size[0], 3, *size[1:]))
    return layers


def _recorder(layers: Layers, part: str, name: str):
    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d) and output.shape[-1] > 1:
            layers.convolutions.append(_convolution(part, name, module, inputs[0], output))
            layers.maps.append((part, "weights", module.weight.numel()))
        if isinstance(module, ConvNorm):
            form = "end" if name.endswith("conv3") else "norm ReLU" if module.relu else "norm"
            layers.maps.append((part, form, output.numel()))
        elif isinstance(module, SplitAttention):
            layers.maps.append((part, "attention", output.numel()))
        elif isinstance(module, AvgPool2d):
            layers.maps.append((part, "pool", inputs[0].numel() + output.numel()))
        elif isinstance(module, Stem):
            before = layers.convolutions[-1].written
            layers.maps += [(part, "pool", before + output.numel()),
                            (part, "indices", output.numel())]
        elif name in PARTS[1:]:
            layers.maps.append((part, "output", output.numel()))
        layers.blocks += isinstance(module, Bottleneck)
    return record


def _convolution(part: str, name: str, conv: nn.Conv2d, x: Tensor, y: Tensor) -> Convolution:
    kind = ("image" if x.shape[1] == 3 else "stem" if part == "stem"
            else "grouped" if conv.groups > 1 else "dense")
    return Convolution(part, name, kind, x.numel(), conv.weight.numel(), y.numel(),
                       2 * y.numel() * conv.weight[0].numel())


def _costs(conv: Convolution, training: bool, fused: bool) -> list[tuple[int, int]]:
    """Values moved and operations of each pass: forward, by input, by weight. ``fused``: what a
    floor has in them besides, the residual in eval and in training a norm's gradient, formed from
    two maps (the attention's from one and a half), and the other gradient of a block's input."""
    once = conv.read + conv.weights + conv.written
    if not training:
        return [(once + fused * conv.name.endswith("conv3") * conv.written, conv.operations)]
    again = fused * conv.written // (2 if conv.kind == "grouped" else 1)
    other = fused * conv.read * conv.name.endswith(".conv1")
    by_input = [] if conv.kind == "image" else [(once + again + other, conv.operations)]
    return [(once, conv.operations), *by_input, (once + again, conv.operations)]


def floor(layers: Layers, bandwidth: float, *, training: bool,
          alone: bool = False) -> dict[str, float]:
    """Seconds of each part: of each pass of a convolution the larger of bytes over ``bandwidth``
    and operations over the matrix rate, and the bytes of all that is read or written besides.

    Args:
        layers: of the network.
        bandwidth: bytes per second.
        training: forward and backward; otherwise forward in eval, norms folded.
        alone: the convolutions only.
    """
    seconds = dict.fromkeys(PARTS, 0.0)
    for conv in layers.convolutions:
        seconds[conv.part] += sum(max(BYTES * values / bandwidth, operations / MATRIX)
                                  for values, operations in _costs(conv, training, not alone))
    if not alone:
        phases = ("forward", "backward") if training else ("eval",)
        for part, _, values in moved(layers, FLOOR, phases):
            seconds[part] += BYTES * values / bandwidth
    return seconds


def predict(layers: Layers, network: str, bandwidth: float, phase: str) -> dict[str, float]:
    """Seconds that ``network`` should need for ``phase``, "eval", "eval cast" or "training": of its
    convolutions by kind, of all other passes by form, of small kernels."""
    training, seconds = phase == "training", defaultdict(float)
    for conv in layers.convolutions:
        costs = _costs(conv, training, False)
        rates = RATES[conv.kind] if len(costs) != 2 else RATES[conv.kind][::2]
        seconds[f"convolutions, {conv.kind}"] += sum(
            max(BYTES * values / (SHARE * bandwidth), operations / rate)
            for (values, operations), rate in zip(costs, rates))
    phases = ("forward", "backward") if training else (phase,)
    for _, form, values in moved(layers, NETWORKS[network], phases):
        seconds[form] += BYTES * values / (SHARE * bandwidth)
    form = network.split()[-1]
    seconds["small kernels"] = layers.blocks * SMALL_EACH[form][training] * SMALL
    host = layers.blocks * HOST_EACH[form][training] - sum(seconds.values())
    return seconds | {"waiting for the host": max(0.0, host)}


def moved(layers: Layers, table: dict[str, dict[str, str]], phases: Collection[str],
           only: Collection[str] = ()) -> Iterator[tuple[str, str, int]]:
    """Part, form and values that are read and written, of each map."""
    for part, form, values in layers.maps:
        texts = (table.get(form, {}).get(phase, "") for phase in phases)
        yield part, form, values * sum(passes(text, only) for text in texts)
