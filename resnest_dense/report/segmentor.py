"""The sections on what a segmentor finds: by class, errors, calibration, worst images."""

import numpy as np

from resnest_dense.data.labels.pictures import default_palette
from resnest_dense.report.common import DRAWN, by_class, calibration, percent
from resnest_dense.report.figures import draw_confusion
from resnest_dense.report.measures.pixels import BORDER, PixelScores
from resnest_dense.report.page import Cell, Legend, Missing, Picture, Row, Section, Table, Words
from resnest_dense.report.pictures import worst_labels

__all__ = ["segmentor_sections"]

_PAIRS = 10
_WHAT = ("IoU by class", "Errors by kind", "Confusion matrix", "Worst images", "Calibration")


def segmentor_sections(found: PixelScores | None, why: str
                       ) -> tuple[dict[str, str], list[Section]]:
    """The main figures and the sections; ``why`` there are none where nothing was measured."""
    if found is None:
        return {}, [Section(what, [Missing(what, why)]) for what in _WHAT]
    scores = found.scores
    tiles = {"mean IoU": percent(100 * scores.mean_iou),
             "mean accuracy": percent(100 * scores.mean_accuracy),
             "pixel accuracy": percent(100 * scores.pixel_accuracy),
             "calibration error": percent(100 * found.reliability.error)}
    return tiles, [
        _by_class(found), _kinds(found), _confusion(found), _worst(found),
        Section(_WHAT[4], calibration(found.reliability, "Whether the probability of a pixel's "
                                      "class is the share of such pixels that are right."))]


def _by_class(found: PixelScores) -> Section:
    scores, hits = found.scores, found.counts.diagonal()
    predicted, labelled = found.counts.sum(axis=0), found.counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        shares = 100 * np.stack([labelled / labelled.sum(), scores.iou, hits / labelled,
                                 hits / predicted])
    rows: list[list[Cell]] = [[name, *map(float, column)]
                              for name, column in zip(found.classes, shares.T)]
    return Section(_WHAT[0], [
        Words(f"{found.source} on {found.images} images of the validation set, in percent; "
              f"{found.ignored / max(found.ignored + labelled.sum(), 1):.1%} of the pixels are "
              "ignored and in no figure. Accuracy is the share of a class's pixels that are right, "
              "precision the share of right ones among those predicted."),
        Table(["class", "share of pixels", "IoU", "accuracy", "precision"], rows),
        *by_class(found.classes, (100 * scores.iou).tolist(), "IoU")])


def _kinds(found: PixelScores) -> Section:
    (border, border_cost), (inside, inside_cost) = found.border_cost()
    pairs: list[list[Cell]] = [
        [found.classes[pair.truth], found.classes[pair.found], pair.pixels, pair.cost]
        for pair in found.confused(_PAIRS)]
    return Section(_WHAT[1], [
        Words("What a kind of error costs is the mean IoU that is won when all its pixels are put "
              "right; the kinds overlap in it. Those at borders are at most "
              f"{BORDER} pixels, in rows and columns, from another label."),
        Table(["where", "share of wrong pixels, %", "mean IoU it costs"], [
            ["at borders", 100 * border, border_cost], ["inside", 100 * inside, inside_cost]]),
        Table(["truth", "taken for", "pixels", "mean IoU it costs"], pairs, digits=2)])


def _confusion(found: PixelScores) -> Section:
    drawn, words = np.arange(len(found.classes)), ""
    if len(drawn) > DRAWN:
        drawn = np.sort(np.argsort(-found.counts.sum(axis=1), kind="stable")[:DRAWN])
        words = f" Drawn are the {DRAWN} classes with the most pixels."
    names = [found.classes[i] for i in drawn]
    return Section(_WHAT[2], [
        Words("Every labelled pixel has a class and is given one, so there is no background."
              + words),
        Picture(draw_confusion(found.counts[np.ix_(drawn, drawn)], names, names),
                "Confusion matrix. Costing most: " + ", ".join(
                    f"{found.classes[pair.truth]} for {found.classes[pair.found]} {pair.pixels}"
                    for pair in found.confused(5)))])


def _worst(found: PixelScores) -> Section:
    shown = worst_labels(found)
    if not shown:
        return Section(_WHAT[3], [Missing(_WHAT[3], "No image of the set can be shown.")])
    seen = {int(label) for image in found.worst for label in (*np.unique(image.truth),
                                                              *np.unique(image.found))}
    colours = found.palette or default_palette(len(found.classes))
    legend = Legend({name: tuple(colours[i]) for i, name in enumerate(found.classes) if i in seen})
    return Section(_WHAT[3], [Words("Those with the largest shares of wrong pixels."), legend,
                              *(Row(one.name, one.words, one.pictures) for one in shown)])
