"""A picture of split attention: which split each channel chose, stage by stage."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from resnest_dense.analysis.attention import BlockAttention
from resnest_dense.base.files import beside

__all__ = ["draw_attention", "write_attention"]

_WIDTH = 11.0  # inches


def write_attention(blocks: Sequence[BlockAttention], image: np.ndarray, out: Path,
                    stem: str) -> list[Path]:
    """Writes ``STEM_attention.png`` and, with the numbers of it, ``STEM_attention.json``.

    Args:
        blocks: what was recorded.
        image: (H, W, 3) RGB, uint8.
        out: folder.
        stem: what the files are called after; may begin with folders.
    """
    files = [out / f"{stem}_attention.png", out / f"{stem}_attention.json"]
    with beside(files[0]) as part:
        draw_attention(blocks, image).savefig(part, dpi=110, format="png")
    rows = [{"stage": b.stage, "block": b.block, "channels": b.weights.shape[1],
             "share_of_channels": [round(share, 4) for share in b.shares()],
             "mean_weight": [round(weight, 4) for weight in b.weights.mean(dim=1).tolist()]}
            for b in blocks]
    content = {"radix": len(blocks[0].weights), "blocks": rows}
    with beside(files[1]) as part:
        part.write_text(json.dumps(content, indent=1) + "\n")
    return files


def draw_attention(blocks: Sequence[BlockAttention], image: np.ndarray) -> Figure:
    """The image, the share of channels that chose each split, and of each stage a map: a row for a
    block, a column for a channel, the colour of the split that has the largest weight, paler where
    the weights are more alike.
    """
    stages = {name: list(group) for name, group in groupby(blocks, key=lambda block: block.stage)}
    colours = np.array(colormaps["tab10"]([0, 1, 2, 3, 4, 6, 8, 9]))[:, :3]
    heights = [0.45 + 0.11 * max(len(found), 3) for found in stages.values()]
    heights[-1] += 0.25  # for the label of the axis
    figure = Figure(figsize=(_WIDTH, 3.2 + sum(heights)), layout="constrained")
    top, *rows = np.asarray(
        figure.subfigures(len(stages) + 1, 1, height_ratios=[2.9, *heights]))
    picture, shares = top.subplots(1, 2, width_ratios=(1, 1.3))
    picture.imshow(image)
    picture.axis("off")
    _draw_shares(shares, stages, colours)
    for row, (name, found) in zip(rows, stages.items()):
        axes = row.subplots()
        axes.imshow(np.stack([_colour(block.weights.numpy(), colours) for block in found]),
                    aspect="auto", interpolation="nearest")
        axes.set_ylabel(f"{name}\nblock")
        axes.set_yticks(range(0, len(found), max(1, len(found) // 6)))
        axes.tick_params(labelsize=8)
    axes.set_xlabel("channel of the block's 3x3 convolution (paler: the weights are more alike)")
    return figure


def _draw_shares(axes: Axes, stages: Mapping[str, Sequence[BlockAttention]],
                 colours: np.ndarray) -> None:
    radix = len(next(iter(stages.values()))[0].weights)
    names = list(stages)
    if radix == 1:
        weights = [np.mean([block.weights.mean() for block in found])
                   for found in stages.values()]
        axes.barh(names, weights, color=colours[0])
        axes.set(xlim=(0, 1), xlabel="mean weight of a channel (radix 1: a gate, no choice)")
    else:
        means = np.array([np.mean([block.shares() for block in found], axis=0)
                          for found in stages.values()])
        left = np.zeros(len(names))
        for split in range(radix):
            axes.barh(names, means[:, split], left=left, color=colours[split % len(colours)])
            left += means[:, split]
        axes.set(xlim=(0, 1), xlabel="share of channels that chose the split")
        axes.legend(handles=[Patch(color=colours[split % len(colours)], label=f"split {split + 1}")
                             for split in range(radix)],
                    loc="lower center", bbox_to_anchor=(0.5, 1), ncols=radix, frameon=False)
    axes.invert_yaxis()


def _colour(weights: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """(R, C) -> (C, 3): white where all splits weigh the same, full colour where one has it all."""
    radix = len(weights)
    least = 1 / radix if radix > 1 else 0.0
    strength = ((weights.max(axis=0) - least) / (1 - least)).clip(0, 1)[:, None]
    return 1 - strength * (1 - colours[weights.argmax(axis=0) % len(colours)])
