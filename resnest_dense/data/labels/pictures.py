"""Pictures of label maps: the image under the colours of its classes, with a legend."""

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["default_palette", "draw_labels"]

_ROW = 16  # height of a row of the legend in pixels


def default_palette(classes: int) -> list[tuple[int, ...]]:
    """As many colours (R, G, B), 0 to 255; neighbours in the list differ much."""
    golden = (5**0.5 - 1) / 2
    return [tuple(int(255 * x) for x in colorsys.hsv_to_rgb(i * golden % 1, 0.75, 1 - i % 3 * 0.25))
            for i in range(classes)]


def draw_labels(image: np.ndarray, labels: np.ndarray, classes: Sequence[str], *,
                palette: Sequence[Sequence[int]] | None = None,
                opacity: float = 0.6) -> Image.Image:
    """The image under the colours of its classes, with a legend of those that occur on the right.

    Args:
        image: (H, W, 3) RGB, uint8.
        labels: class of each pixel, (H, W); other values than classes stay as in the image.
        classes: names, class 0 first.
        palette: colour (R, G, B) of each class; :func:`default_palette` if None.
        opacity: of the colours, 0 to 1.
    """
    palette = default_palette(len(classes)) if palette is None else palette
    drawn = image.astype(np.float32)
    seen = [i for i in np.unique(labels) if i < len(classes)]
    for i in seen:
        where = labels == i
        drawn[where] = (1 - opacity) * drawn[where] + opacity * np.array(palette[i], np.float32)
    height, width = labels.shape
    wide = max((len(classes[i]) for i in seen), default=0) * 7 + 30
    picture = Image.new("RGB", (width + wide, max(height, _ROW * len(seen) + 8)), "white")
    picture.paste(Image.fromarray(drawn.astype(np.uint8)), (0, 0))
    pen = ImageDraw.Draw(picture)
    for row, i in enumerate(seen):
        top = row * _ROW + 4
        box = (width + 6, top, width + 18, top + 11)
        pen.rectangle(box, fill=tuple(palette[i]), outline="black")
        pen.text((width + 23, top), classes[i], fill="black")
    return picture
