"""The images with the worst errors, drawn side by side with the truth."""

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from resnest_dense.data.images import read_rgb
from resnest_dense.data.labels.pictures import draw_labels
from resnest_dense.errors import ResNeStError
from resnest_dense.report.measures.confusion import met_by_others
from resnest_dense.report.measures.instances import ImageMatches, InstanceScores
from resnest_dense.report.measures.kinds import kinds_of
from resnest_dense.report.measures.pixels import PixelScores
from resnest_dense.report.page import address

__all__ = ["Shown", "worst_detections", "worst_labels"]

_SIDE = 560  # longer side of a picture in pixels
_Colour = tuple[int, int, int]
_RIGHT, _WRONG, _MISSED, _TRUTH = (30, 140, 60), (200, 30, 30), (235, 125, 0), (30, 90, 200)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shown:
    """An image: its file name, what is wrong in words, and pictures as addresses by what they
    show."""

    name: str
    words: str
    pictures: Mapping[str, str]


def worst_detections(scores: InstanceScores, threshold: float, most: int) -> list[Shown]:
    """The images with the most errors: detections of at least ``threshold`` that are wrong, and
    objects that none of them meets; one taken for another class is one error."""
    counted = []
    for image in scores.images:
        sure = (image.scores >= threshold) & ~image.ignored
        wrong = int((sure & (image.match < 0)).sum())
        other = int((met_by_others(image, threshold) >= 0).sum())
        missed = len(_unmet(image, threshold))
        if wrong + missed:
            counted.append((wrong + missed - other, wrong, missed, image))
    counted.sort(key=lambda row: (-row[0], -row[1]))  # stable: in the order of the set
    shown: list[Shown] = []
    for errors, wrong, missed, image in counted:
        if len(shown) == most:
            break
        path = scores.files.images / scores.truth.imgs[image.image]["file_name"]
        if pictures := _draw(path, scores, image, threshold):
            shown.append(Shown(path.name, f"{errors} errors with {len(image.truth)} objects: "
                               f"{wrong} detections are wrong, {missed} objects not met", pictures))
    return shown


def _unmet(image: ImageMatches, threshold: float) -> np.ndarray:
    return np.flatnonzero(~np.isin(np.arange(len(image.truth)),
                                   image.match[image.scores >= threshold]))


def _draw(path: Path, scores: InstanceScores, image: ImageMatches, threshold: float
          ) -> dict[str, str]:
    try:
        pixels = read_rgb(path)
    except ResNeStError as error:
        _logger.warning("Not shown: %s", error)
        return {}
    names, kinds = scores.classes, kinds_of(image)[0]
    truth = [_Mark(scores, scores.truth, int(number), _TRUTH, names[label])
             for number, label in zip(image.truth, image.truth_classes)]
    found = [_Mark(scores, scores.truth, int(image.truth[i]), _MISSED,
                   f"{names[image.truth_classes[i]]} not met", dashed=True)
             for i in _unmet(image, threshold)]
    for i in np.flatnonzero((image.scores >= threshold) & ~image.ignored)[::-1]:
        kind = kinds[i]
        found.append(_Mark(scores, scores.found, int(image.found[i]), _WRONG if kind else _RIGHT,
                           f"{names[image.classes[i]]} {image.scores[i]:.2f}"
                           f"{f' {kind}' if kind else ''}"))
    return {"truth": _paint(pixels, truth), "detections": _paint(pixels, found)}


class _Mark:
    """An object on a picture."""

    def __init__(self, scores: InstanceScores, source: Any, number: int, colour: _Colour,
                 text: str, *, dashed: bool = False):
        from pycocotools import mask

        shape = scores.shape(source, number)
        self.mask = mask.decode(shape) if scores.kind == "segm" else None
        self.box = [float(value) for value in (
            mask.toBbox(shape) if scores.kind == "segm" else shape)]
        self.colour, self.text, self.dashed = colour, text, dashed


def _paint(pixels: np.ndarray, marks: Sequence[_Mark]) -> str:
    canvas = _fit(Image.fromarray(pixels))
    scale = canvas.width / pixels.shape[1]
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=12)
    for mark in marks:
        if mark.mask is not None:
            whole = Image.fromarray(mark.mask * np.uint8(255)).resize(canvas.size)
            edge = ImageChops.subtract(whole, whole.filter(ImageFilter.MinFilter(5)))
            canvas.paste(mark.colour, mask=ImageChops.lighter(edge, whole.point(_tint)))
        left, top, wide, high = (value * scale for value in mark.box)
        if mark.dashed:
            _dash(pen, (left, top, left + wide, top + high), mark.colour)
        else:
            pen.rectangle((left, top, left + wide, top + high), outline=mark.colour,
                          width=2 if mark.mask is None else 1)
    for mark in marks:  # over all boxes, and inside of the picture
        space = canvas.width - pen.textlength(mark.text, font=font) - 1
        place = (max(min(mark.box[0] * scale, space), 0), max(mark.box[1] * scale, 0))
        pen.rectangle(pen.textbbox(place, mark.text, font=font), fill=mark.colour)
        pen.text(place, mark.text, fill="white", font=font)
    return _address(canvas)


def _tint(value: int) -> int:
    return value // 6


def _dash(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], colour: _Colour
          ) -> None:
    left, top, right, bottom = box
    for start in np.arange(left, right, 9):
        for y in (top, bottom):
            pen.line((start, y, min(start + 5, right), y), fill=colour, width=2)
    for start in np.arange(top, bottom, 9):
        for x in (left, right):
            pen.line((x, start, x, min(start + 5, bottom)), fill=colour, width=2)


def worst_labels(scores: PixelScores) -> list[Shown]:
    """The images with the largest shares of wrong pixels: truth, prediction, and what is wrong."""
    shown = []
    for image in scores.worst:
        try:
            pixels = read_rgb(image.path)
        except ResNeStError as error:
            _logger.warning("Not shown: %s", error)
            continue
        if pixels.shape[:2] != image.truth.shape:
            continue
        picture = _fit(Image.fromarray(pixels))
        truth, found = (np.asarray(Image.fromarray(labels).resize(
            picture.size, Image.Resampling.NEAREST)) for labels in (image.truth, image.found))
        small = np.asarray(picture)
        labelled = truth < len(scores.classes)
        wrong = (truth != found) & labelled
        faded = small // 2 + 100
        faded[wrong] = _WRONG
        # The legend, on the right, is one for all pictures on the page.
        drawn = {name: _address(draw_labels(
            small, labels, scores.classes, palette=scores.palette).crop((0, 0, *picture.size)))
                 for name, labels in (("truth", truth), ("prediction", found))}
        shown.append(Shown(image.path.name, f"{image.wrong:.1%} of the labelled pixels are wrong",
                           {**drawn, "wrong pixels, red": _address(Image.fromarray(faded))}))
    return shown


def _fit(picture: Image.Image) -> Image.Image:
    scale = _SIDE / max(picture.size)
    return picture.resize((round(picture.width * scale), round(picture.height * scale)),
                          Image.Resampling.LANCZOS)


def _address(picture: Image.Image) -> str:
    """The picture itself as an address."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=82)
    return address("image/jpeg", file.getvalue())
