"""The drawings of docs/family.md, read off the networks themselves.

    python -m docs.family        # writes docs/family_blocks.svg and docs/channel_order.svg
"""

import torch
from torch import nn

from docs.drawing import (
    FOLDER,
    GAP,
    GROUPS,
    STEP,
    Box,
    arrow,
    conv_box,
    document,
    draw_row,
    rectangle,
    text,
)
from resnest_dense import create_backbone
from resnest_dense.nn.bottleneck import Bottleneck
from resnest_dense.nn.gate import ScSE
from resnest_dense.nn.spatial.selective_kernel import SelectiveKernel
from resnest_dense.nn.spatial.split_attention import BranchAttention, SplitAttention
from resnest_dense.ops import radix_attention

DRAWN = ("resnet50", "resnet50d", "resnext50_32x4d", "seresnet50d", "scse_resnet50d", "sknet50",
         "resnest50")
WIDTH = 268


def main_path(block: Bottleneck) -> list[list[Box]]:
    """The rows of the main path; more boxes in a row are branches side by side."""
    rows = [[conv_box(block.conv1)]]
    pool = [] if block.avd_layer is None else [[pool_box(block.avd_layer)]]
    rows += pool * block.avd_first
    rows += spatial_rows(block.conv2)
    rows += pool * (not block.avd_first)
    rows.append([conv_box(block.conv3)])
    if block.gate is not None:
        gate = block.gate
        text = f"SE: mean, fc {gate.fc1.out_channels}, fc {gate.fc2.out_channels}, sigmoid"
        pixels = [Box("sSE: 1x1, 1, sigmoid", "attention")] * isinstance(gate, ScSE)
        rows.append([Box(text.replace("SE:", "cSE:") if pixels else text, "attention"), *pixels])
    return rows


def spatial_rows(conv: nn.Module) -> list[list[Box]]:
    """The rows of a block's 3x3."""
    if not isinstance(conv, BranchAttention):
        return [[conv_box(conv)]]
    if isinstance(conv, SelectiveKernel):
        rows, words = [[conv_box(path) for path in conv.paths]], "branches"
    else:
        assert isinstance(conv, SplitAttention)
        rows, words = [[conv_box(conv.conv)]], "splits"
    weigh = "softmax" if conv.radix > 1 else "sigmoid"
    return [*rows, [Box(f"sum of {conv.radix} {words}, mean, fc {conv.fc1.out_channels}, "
                        f"fc {conv.fc2.out_channels}", "attention")],
            [Box(f"{weigh} over {words}, weighted sum", "attention")]]


def shortcut_path(block: Bottleneck) -> list[Box]:
    """The boxes of the shortcut."""
    pool = block.shortcut_avgpool
    return [*([] if pool is None else [pool_box(pool)]), conv_box(block.shortcut)]


def pool_box(pool: nn.AvgPool2d) -> Box:
    return Box(f"average pool {pool.kernel_size}x{pool.kernel_size}, stride {pool.stride}", "pool")


def draw_blocks() -> str:
    """The first block of res3 of each network, side by side."""
    parts, tallest = [], 0
    for column, name in enumerate(DRAWN):
        with torch.device("meta"):
            block = create_backbone(name).res3[0]
        left = 10 + column * (WIDTH + 40)
        rows, side = main_path(block), shortcut_path(block)
        parts.append(text(left + WIDTH / 2, 24, name, 17, "bold"))
        parts.append(text(left + WIDTH / 2, 46, f"{block.conv1.in_channels} channels", 12))
        for row, boxes in enumerate(rows):
            parts += draw_row(left, 60 + row * STEP, WIDTH, boxes)
            parts.append(arrow(left + WIDTH / 2, 60 + row * STEP - GAP + 2, GAP - 2))
        bottom = 60 + len(rows) * STEP
        joined = "+ " + ", ".join(box.text for box in side)
        parts += draw_row(left, bottom, WIDTH, [Box(joined, "sum")])
        parts.append(arrow(left + WIDTH / 2, bottom - GAP + 2, GAP - 2))
        parts.append(text(left + WIDTH / 2, bottom + STEP, f"ReLU, {block.conv3.out_channels} "
                          "channels", 12))
        tallest = max(tallest, bottom + STEP + 20)
    return document(len(DRAWN) * (WIDTH + 40) - 20, tallest, parts)


def draw_order(radix: int = 2, cardinality: int = 2, share: int = 3) -> str:
    """What the attention's last layer puts out, group by group, and the order of the splits that it
    weighs; which channel becomes which is asked of the code."""
    count = radix * cardinality * share
    logits = torch.full((count, count, 1, 1), -9.0)
    logits[torch.arange(count), torch.arange(count)] = 9.0
    target = radix_attention(logits, radix, cardinality)[:, :, 0, 0].argmax(1)
    cell, left, top = 56, 150, 50
    parts = [text(left - 10, top + 21, "out of fc2: group-major", 12, anchor="end"),
             text(left - 10, top + 151, "the splits: radix-major", 12, anchor="end")]
    for i in range(count):
        group, split = i // (radix * share), i // share % radix
        colour = GROUPS[2 * split + group]
        for position, y in ((i, top), (int(target[i]), top + 130)):
            x = left + position * cell
            parts.append(rectangle(x, y, cell, 34, colour))
            parts.append(text(x + cell / 2, y + 21, f"k{group} r{split}", 12))
        ends = left + i * cell + cell / 2, left + int(target[i]) * cell + cell / 2
        parts.append(f'<line x1="{ends[0]}" y1="{top + 34}" x2="{ends[1]}" y2="{top + 130}" '
                     f'stroke="{colour}" stroke-width="2"/>')
    parts.append(text(left + count * cell / 2, 26, f"cardinality {cardinality} (k), radix {radix} "
                      f"(r), {share} channels each", 14, "bold"))
    return document(left + count * cell + 20, top + 180, parts)


DRAWINGS = {"family_blocks.svg": draw_blocks, "channel_order.svg": draw_order}

if __name__ == "__main__":
    for file, draw in DRAWINGS.items():
        (FOLDER / file).write_text(draw(), encoding="utf-8")
