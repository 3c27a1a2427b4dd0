"""What was found, drawn on its image with Pillow alone."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from resnest_dense.data.labels.pictures import default_palette, draw_labels
from resnest_dense.runtime.contract import Classes
from resnest_dense.runtime.results import Detections, Found, Labels, Segments

__all__ = ["draw_found", "palette_of"]

_LEAST = 480  # longer side of a picture: names have a size in pixels, so small images are enlarged
_OPACITY = 0.5
_SURE = 0.05  # least score of a keypoint that is drawn, as detectron2's

_Colour = tuple[int, ...]


def palette_of(classes: Classes, *, stuff: bool = False) -> list[_Colour]:
    """The colour (R, G, B) of each class, 0 to 255."""
    given, names = ((classes.stuff_palette, classes.stuff_names) if stuff else
                    (classes.palette, classes.names))
    return list(given) or default_palette(len(names))


def draw_found(image: np.ndarray, found: Found, classes: Classes, *,
               enlarge: bool = True) -> Image.Image:
    """The image (H, W, 3), RGB, uint8, with what was found in it: boxes, names and scores over
    masks, the segments of a panoptic model, or labels with a legend beside the image.

    Args:
        enlarge: draw small images larger.
    """
    if isinstance(found, Labels):
        return draw_labels(image, found.pixels, classes.names, palette=palette_of(classes))
    if found.segments is not None:
        picture, notes = _paint_segments(image, found.segments, classes)
    else:
        picture, notes = _paint_masks(image, found, classes)
    height, width = image.shape[:2]
    scale = max(1.0, _LEAST / max(height, width)) if enlarge else 1.0
    canvas = Image.fromarray(picture).resize((round(width * scale), round(height * scale)))
    pen = ImageDraw.Draw(canvas)
    if found.segments is None:
        for box, (*_, colour) in zip((found.boxes * scale).tolist(), notes):
            pen.rectangle(box, outline=colour, width=2)
        for points in found.keypoints if found.keypoints is not None else ():
            _draw_keypoints(pen, points, classes, scale)
    font = ImageFont.load_default(size=max(11, canvas.height // 50))
    for (x, y), text, colour in notes:
        _write(pen, (x * scale, y * scale), text, colour, font)
    return canvas


_Note = tuple[tuple[float, float], str, _Colour]


def _paint_masks(image: np.ndarray, found: Detections, classes: Classes
                 ) -> tuple[np.ndarray, list[_Note]]:
    picture, colours, notes = image.copy(), palette_of(classes), []
    for mask, label in zip(found.masks or (), found.classes.tolist()):
        height, width = mask.window.shape
        there = picture[mask.top:mask.top + height, mask.left:mask.left + width]
        _tint(there, mask.window, colours[label])
    for box, score, label in zip(found.boxes.tolist(), found.scores.tolist(),
                                 found.classes.tolist()):
        notes.append(((box[0], box[1]), f"{classes.names[label]} {score:.0%}", colours[label]))
    return picture, notes


def _paint_segments(image: np.ndarray, segments: Segments, classes: Classes
                    ) -> tuple[np.ndarray, list[_Note]]:
    picture, notes = image.copy(), []
    for info in segments.infos:
        thing, label = info["isthing"], info["category_id"]
        colour = palette_of(classes, stuff=not thing)[label]
        mask = segments.ids == info["id"]
        _tint(picture, mask, colour)
        rows, columns = np.nonzero(mask)
        name = (classes.names if thing else classes.stuff_names)[label]
        score = f" {info['score']:.0%}" if thing else ""
        notes.append(((float(np.median(columns)), float(np.median(rows))), name + score, colour))
    return picture, notes


def _tint(picture: np.ndarray, mask: np.ndarray, colour: _Colour) -> None:
    picture[mask] = (1 - _OPACITY) * picture[mask] + _OPACITY * np.array(colour)


def _draw_keypoints(pen: ImageDraw.ImageDraw, points: np.ndarray, classes: Classes,
                    scale: float) -> None:
    places = [(float(x * scale), float(y * scale)) for x, y, _ in points]
    sure = points[:, 2] > _SURE
    for first, second in classes.skeleton:
        if sure[first] and sure[second]:
            pen.line([places[first], places[second]], fill="yellow", width=2)
    for (x, y), there in zip(places, sure):
        if there:
            pen.ellipse([x - 3, y - 3, x + 3, y + 3], fill="red", outline="white")


def _write(pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, colour: _Colour,
           font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
    box = pen.textbbox(place, text, font=font)
    pen.rectangle(box, fill=colour)
    dark = sum(colour[:3]) > 380
    pen.text(place, text, fill="black" if dark else "white", font=font)
