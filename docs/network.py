"""The drawings of docs/how_it_works.md, read off the networks themselves.

    python -m docs.network        # writes docs/network_*.svg
"""

import torch
from torch import nn

from docs.drawing import (
    COLOURS,
    FOLDER,
    GAP,
    GROUPS,
    STEP,
    Box,
    arrow,
    bar,
    conv_box,
    document,
    draw_row,
    rectangle,
    text,
)
from resnest_dense import create_backbone, get_architecture
from resnest_dense.nn.spatial.split_attention import SplitAttention

WHOLE, SIZE = "resnest50", (512, 768)
SPLIT = (("resnest50", "radix 2, cardinality 1"),
         ("resnest50_fast_2s2x40d", "radix 2, cardinality 2"))
STEMS = ("resnet50", "resnest50", "resnest101")
_SIDE = 8  # positions along the map whose use is counted


def draw_whole() -> str:
    """From the image to the four maps."""
    with torch.device("meta"):
        net = create_backbone(WHOLE)
    blocks, width, top = get_architecture(WHOLE).blocks, 170, 60
    columns = [("image", 3, 1, "", "sum"), ("stem", net.res2[0].conv1.in_channels, 4,
                                           "three 3x3, max-pool", "conv")]
    columns += [(name, *net.feature_info[name], f"{count} blocks", "attention")
                for name, count in zip(net.feature_info, blocks)]
    parts = []
    for i, (name, channels, stride, words, kind) in enumerate(columns):
        x = 20 + i * (width + 30)
        height = 150 - 18 * i  # maps get smaller
        parts.append(text(x + width / 2, 28, name, 16, "bold"))
        parts.append(text(x + width / 2, 48, words, 12))
        y = top + (150 - height) / 2
        parts.append(f'<rect x="{x}" y="{y:g}" width="{width}" height="{height}" rx="6" '
                     f'fill="{COLOURS[kind]}" stroke="#555"/>')
        shape = f"{channels} x {SIZE[0] // stride} x {SIZE[1] // stride}"
        parts.append(text(x + width / 2, top + 72, shape, 14))
        parts.append(text(x + width / 2, top + 92, f"stride {stride}", 12))
        if i:
            parts.append(f'<path d="M{x - 28} {top + 75}h26m-5 -4l5 4l-5 4" fill="none" '
                         'stroke="#555"/>')
        if i > 1:
            parts.append(arrow(x + width / 2, y + height + 2, top + 180 - y - height))
            parts.append(text(x + width / 2, top + 205, "to the head", 12))
    return document(len(columns) * (width + 30) + 10, top + 220, parts)


def draw_split_attention() -> str:
    """The 3x3 of a block of res2, for a cardinality of one and of more."""
    parts, height = [], 0.0
    for column, (name, words) in enumerate(SPLIT):
        with torch.device("meta"):
            layer = create_backbone(name).res2[0].conv2
        panel, height = _draw_panel(layer, 20 + column * 560, f"{name}: {words}")
        parts += panel
    return document(len(SPLIT) * 560 + 10, height, parts)


def _draw_panel(layer: SplitAttention, left: float, title: str) -> tuple[list[str], float]:
    radix, groups, channels = layer.radix, layer.cardinality, layer.fc1.in_channels
    cells = [(GROUPS[2 * r + k], f"split {r}" if groups == 1 else f"s{r} g{k}")
             for r in range(radix) for k in range(groups)]
    plain = [(COLOURS["sum"], "" if groups == 1 else f"g{k}") for k in range(groups)]
    main, side, middle, beside = 240, 250, left + 120, left + 270 + 125
    parts = [text(left + 260, 26, title, 16, "bold"),
             text(middle, 54, f"{layer.conv.in_channels} channels", 12),
             arrow(middle, 60, 14), *draw_row(left, 76, main, [conv_box(layer.conv)]),
             arrow(middle, 108, 14), *draw_row(left, 124, main, [Box("norm, ReLU", "sum")]),
             arrow(middle, 156, 14), *bar(left, 172, main, 44, cells)]
    # What all splits say together, on the right.
    parts += [f'<path d="M{left + main} 194h{beside - left - main}v28m-4 -5l4 5l4 -5" fill="none" '
              'stroke="#555"/>', text(beside, 186, "sum of the splits, mean over H x W", 12),
              *bar(beside - side / 2, 224, side, 18, plain),
              text(beside, 256, f"{channels} numbers", 11)]
    weigh = "softmax over the splits" if radix > 1 else "sigmoid"
    y = 266.0
    for words in (f"fc {layer.fc1.out_channels}, norm, ReLU", f"fc {layer.fc2.out_channels}",
                  weigh):
        shared = f" ({groups} groups)" if groups > 1 and words.startswith("fc") else ""
        parts += [*draw_row(beside - side / 2, y, side, [Box(words.replace(", ", "; ") + shared,
                                                            "attention")]),
                  arrow(beside, y + 33, GAP - 3)]
        y += STEP
    parts += [*bar(beside - side / 2, y, side, 22, cells),
              text(beside, y + 38, "a weight for each channel of each split", 11)]
    # Both meet on the left.
    parts += [arrow(middle, 218, y - 222), *draw_row(left, y - 4, main, [Box("each channel times "
              "its weight", "sum")]),
              f'<path d="M{beside - side / 2} {y + 11}h-{beside - side / 2 - left - main - 2}'
              'm5 -4l-5 4l5 4" fill="none" stroke="#555"/>',
              arrow(middle, y + 29, 14), *draw_row(left, y + 46, main, [Box(
                  "sum of the splits", "sum")]),
              arrow(middle, y + 79, 14), text(middle, y + 110, f"{channels} channels", 12)]
    return parts, y + 130


def draw_stems() -> str:
    """What stands before res2."""
    width, parts = 230, []
    for column, name in enumerate(STEMS):
        with torch.device("meta"):
            stem = create_backbone(name).stem
        left, rows = 20 + column * (width + 50), [[conv_box(c)] for c in stem.children()]
        rows.append([Box("max-pool 3x3, stride 2", "pool")])
        parts.append(text(left + width / 2, 26, name, 16, "bold"))
        parts.append(text(left + width / 2, 48, "3 channels", 12))
        for row, boxes in enumerate(rows):
            top = 70 + row * STEP
            parts += [arrow(left + width / 2, top - GAP + 2, GAP - 2),
                      *draw_row(left, top, width, boxes)]
    return document(len(STEMS) * (width + 50), 70 + 4 * STEP + 10, parts)


def draw_downsampling() -> str:
    """How much each position of the map counts where res3 halves it."""
    cell, parts = 30, []
    panels = [(f"{name}: {path}", use(name, path)) for path in ("shortcut", "3x3")
              for name in ("resnet50", "resnest50")]
    for i, (title, used) in enumerate(panels):
        left = 20 + i * (_SIDE * cell + 50)
        parts.append(text(left + _SIDE * cell / 2, 26, title, 15, "bold"))
        for y in range(_SIDE):
            for x in range(_SIDE):
                share = float(used[y, x])
                shade = "#ffffff" if share == 0 else f"rgb({255 - round(120 * min(share, 1.5))},"\
                    f"{255 - round(70 * min(share, 1.5))},255)"
                parts.append(rectangle(left + x * cell, 44 + y * cell, cell, cell, shade))
                parts.append(text(left + x * cell + cell / 2, 44 + y * cell + cell / 2 + 4,
                                  f"{share:.2g}", 11))
    return document(len(panels) * (_SIDE * cell + 50), 44 + _SIDE * cell + 20, parts)


@torch.no_grad()
def use(name: str, path: str) -> torch.Tensor:
    """How much a position counts in all that comes out of a path of the first block of res3, as a
    share of the mean: the derivative of the sum by the input, with all weights alike.
    """
    with torch.device("meta"):
        block = create_backbone(name, norm="").res3[0]
    spatial = block.conv2.conv if isinstance(block.conv2, SplitAttention) else block.conv2
    layers = {"shortcut": [block.shortcut_avgpool, block.shortcut],
              "3x3": [spatial, block.avd_layer]}[path]
    steps = nn.Sequential(*(layer for layer in layers if layer is not None)).to_empty(device="cpu")
    [conv] = (layer for layer in steps.modules() if isinstance(layer, nn.Conv2d))
    conv.weight.fill_(1.0)
    margin = _SIDE  # to the edges, where padding would count
    x = torch.ones(1, 1, _SIDE + 2 * margin, _SIDE + 2 * margin, requires_grad=True)
    with torch.enable_grad():
        steps(x.expand(-1, conv.in_channels, -1, -1)).sum().backward()
    used = x.grad[0, 0, margin:-margin, margin:-margin]
    return used / used.mean()


DRAWINGS = {"network_whole.svg": draw_whole, "network_split_attention.svg": draw_split_attention,
            "network_stems.svg": draw_stems, "network_downsampling.svg": draw_downsampling}

if __name__ == "__main__":
    for file, draw in DRAWINGS.items():
        (FOLDER / file).write_text(draw(), encoding="utf-8")
