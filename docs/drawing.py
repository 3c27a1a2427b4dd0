"""What the drawings of this folder are made of: boxes in rows, bars of channels, arrows, words."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from torch import nn

__all__ = ["BOX", "COLOURS", "FOLDER", "GAP", "GROUPS", "STEP", "Box", "arrow", "bar", "conv_box",
           "document", "draw_row", "rectangle", "text"]

FOLDER = Path(__file__).parent
COLOURS = {"conv": "#dbe9f6", "pool": "#e4f2dc", "attention": "#fde6c8", "sum": "#f3f3f3"}
GROUPS = ("#c6dbef", "#6baed6", "#fdd0a2", "#fd8d3c")  # split 0 of groups 0 and 1, split 1
BOX, STEP, GAP = 32, 48, 16


@dataclass(frozen=True)
class Box:
    """One step of a network: what it does, and of which kind it is."""

    text: str
    kind: str


def conv_box(conv: nn.Conv2d) -> Box:
    """A convolution in words: side, channels, and what is not 1."""
    side = conv.kernel_size[0]
    extra = [f"{conv.groups} groups"] * (conv.groups > 1)
    extra += [f"stride {conv.stride[0]}"] * (conv.stride[0] > 1)
    extra += [f"dilation {conv.dilation[0]}"] * (conv.dilation[0] > 1)
    return Box(", ".join([f"{side}x{side}", str(conv.out_channels), *extra]), "conv")


def draw_row(left: float, top: float, width: float, boxes: Sequence[Box]) -> list[str]:
    """Boxes side by side in a width."""
    each = (width - 8 * (len(boxes) - 1)) / len(boxes)
    parts = []
    for i, box in enumerate(boxes):
        x = left + i * (each + 8)
        parts.append(f'<rect x="{x:.0f}" y="{top:.0f}" width="{each:.0f}" height="{BOX}" rx="4" '
                     f'fill="{COLOURS[box.kind]}" stroke="#555"/>')
        words = box.text.split(", ")
        half = -(-len(words) // len(boxes))  # beside another box there is room for two short lines
        lines = [", ".join(words[i:i + half]) for i in range(0, len(words), half)]
        for line, words_of_line in enumerate(lines):
            y = top + BOX / 2 + 4 + 12 * (line - (len(lines) - 1) / 2)
            parts.append(text(x + each / 2, y, words_of_line, 12 if len(lines) == 1 else 10.5))
    return parts


def bar(left: float, top: float, width: float, height: float, cells: Sequence[tuple[str, str]]
        ) -> list[str]:
    """A bar in equal cells, each with its colour and words."""
    each, parts = width / len(cells), []
    for i, (colour, words) in enumerate(cells):
        x = left + i * each
        parts.append(rectangle(x, top, each, height, colour))
        if words:
            parts.append(text(x + each / 2, top + height / 2 + 4, words, 11))
    return parts


def rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'fill="{colour}" stroke="#555"/>')


def text(x: float, y: float, words: str, size: float, weight: str = "normal",
         anchor: str = "middle") -> str:
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size:.1f}" font-weight="{weight}" '
            f'text-anchor="{anchor}">{escape(words)}</text>')


def arrow(x: float, y: float, length: float) -> str:
    """Downwards."""
    return (f'<path d="M{x:.0f} {y:.0f}v{length:.0f}m-4 -5l4 5l4 -5" fill="none" '
            'stroke="#555"/>')


def document(width: float, height: float, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'font-family="sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n'
            "</svg>\n")
