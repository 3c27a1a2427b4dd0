"""The sections on what a detector finds: by class and size, errors, calibration, worst images."""

from collections.abc import Sequence

import numpy as np

from resnest_dense.errors import ResNeStError
from resnest_dense.report.common import DRAWN, by_class, calibration, percent
from resnest_dense.report.figures import draw_bars, draw_confusion, draw_precisions
from resnest_dense.report.measures.calibration import Reliability
from resnest_dense.report.measures.confusion import best_threshold, confusion
from resnest_dense.report.measures.instances import IOU, InstanceScores, measure
from resnest_dense.report.measures.kinds import KINDS, cost_of_kinds
from resnest_dense.report.page import Block, Missing, Picture, Row, Section, Table, Words
from resnest_dense.report.pictures import worst_detections
from resnest_dense.report.run import InstanceFiles

__all__ = ["detector_sections"]

_WORDS = {"bbox": "boxes", "segm": "masks", "keypoints": "keypoints"}
_PAIRS, _IMAGES = 10, 6
_WHAT = ("AP by class and size", "Precision-recall curves", "Errors by kind", "Confusion matrix",
         "Worst images", "Calibration")


def detector_sections(files: InstanceFiles) -> tuple[dict[str, str], list[Section]]:
    """The main figures and the sections on one set."""
    try:
        scores = measure(files)
        why = f"{files.results} has no detection."
    except ResNeStError as error:
        scores, why = [], str(error)
    if not scores:
        return {}, [Section(what, [Missing(what, why)]) for what in _WHAT]
    tiles = {name: value for one in scores for name, value in (
        (f"AP of {_WORDS[one.kind]}", percent(one.ap())),
        (f"AP50 of {_WORDS[one.kind]}", percent(one.ap(iou=0.5))))}
    # Masks tell more than boxes; TIDE, and the rest, is not defined for keypoints.
    main = [one for one in scores if one.kind != "keypoints"][-1]
    threshold = best_threshold(main.images)
    counts = confusion(main.images, len(main.classes), threshold)
    reliability = Reliability()
    for image in main.images:
        kept = ~image.ignored
        reliability.add(image.scores[kept], image.match[kept] >= 0)
    tiles["calibration error"] = percent(100 * reliability.error)
    return tiles, [
        Section(_WHAT[0], [block for one in scores for block in _by_class(
            one, counts if one is main else None, threshold)]),
        Section(_WHAT[1], [block for one in scores for block in _precisions(one)]),
        Section(_WHAT[2], _kinds(main)), Section(_WHAT[3], _confusion(main, counts, threshold)),
        Section(_WHAT[4], _worst(main, threshold)),
        Section(_WHAT[5], calibration(reliability, "Whether the score of a detection is the share "
                                      f"of such detections that are right at IoU {IOU:g}."))]


def _by_class(scores: InstanceScores, counts: np.ndarray | None, threshold: float) -> list[Block]:
    what, sizes = _WORDS[scores.kind], [size for size in scores.sizes if size != "all"]
    heads = ["class", "objects", "AP", "AP50", "AP75", *(f"AP {size}" for size in sizes), "AR"]
    rows: list[list] = []
    for i, name in [(None, "all classes"), *enumerate(scores.classes)]:
        rows.append([
            name, scores.count(of=i), scores.ap(of=i), scores.ap(iou=0.5, of=i),
            scores.ap(iou=0.75, of=i), *(scores.ap(size=size, of=i) for size in sizes),
            scores.recall(of=i)])
    if counts is not None:
        heads += ["precision", "recall"]
        right, total = counts.diagonal()[:-1], counts[:, :-1].sum(axis=0)
        for row, hits, found in zip(rows, [right.sum(), *right], [total.sum(), *total]):
            row += [_share(hits, found), _share(hits, row[1])]
    blocks: list[Block] = [
        Words(f"Average precision (AP) of {what} in percent, by pycocotools: the mean over IoUs of "
              f"0.5 to 0.95, and at 0.5 and 0.75; AR is the recall of at most {scores.limit} "
              "detections an image." + ("" if counts is None else
                                        " Precision and recall are those of detections with a "
                                        f"score of at least {threshold:.2f}, at IoU {IOU:g}.")),
        Table(heads, rows), Words("By size of the object, as COCO's: small below 32² pixels, large "
                                  "above 96²."),
        Table(["size", "objects", "AP", "AR"], [
            [size, scores.count(size=size), scores.ap(size=size), scores.recall(size=size)]
            for size in sizes])]
    values = [scores.ap(of=i) for i in range(len(scores.classes))]
    return [*blocks, *by_class(scores.classes, values, f"AP of {what}")]


def _precisions(scores: InstanceScores) -> list[Block]:
    what = _WORDS[scores.kind]
    single = {name: values for i, name in enumerate(scores.classes)
              if not np.isnan(values := scores.precisions(of=i)).all()}
    means = {f"mean, IoU {iou:g}": scores.precisions(iou) for iou in (0.5, 0.75)}
    return [Words(f"{what.capitalize()}; thin lines are classes, at IoU 0.5."), Picture(
        draw_precisions(means, single),
        f"Precision of {what} over recall. Mean precision at IoU 0.5: " + ", ".join(
            f"{values:.2f} at recall {place / 100:.1f}" for place, values in enumerate(
                means["mean, IoU 0.5"]) if place % 20 == 0))]


def _kinds(scores: InstanceScores) -> list[Block]:
    costs = cost_of_kinds(scores.images, len(scores.classes))
    meanings = {
        "classification": "an object of another class is there (IoU 0.5)",
        "localisation": "an object of the class is there, met with an IoU of 0.1 to 0.5 only",
        "both": "wrong class, and an IoU below 0.5", "duplicate": "another, surer detection has "
        "met the object", "background": "no object is there (IoU of 0.1 at most)",
        "missed": "an object that no detection is for",
        "false positives": "all detections that are wrong", "not met": "all objects not met"}
    return [
        Words(f"Errors of {_WORDS[scores.kind]}, whatever their score, as TIDE (arXiv 2008.08115) "
              "divides them. The cost is the AP50 that is won when all errors of a kind are "
              f"repaired (now {percent(scores.ap(iou=0.5))}); the kinds overlap in it."),
        Table(["kind", "what it is", "how many", "AP50 it costs"], [
            [kind, meanings[kind], cost.count, cost.ap] for kind, cost in costs.items()], digits=2),
        Picture(draw_bars(KINDS, [costs[kind].ap for kind in KINDS], "AP50 it costs"),
                "AP50 that each kind costs: " + ", ".join(
                    f"{kind} {costs[kind].ap:.1f}" for kind in KINDS))]


def _confusion(scores: InstanceScores, counts: np.ndarray, threshold: float) -> list[Block]:
    names, rest = [*scores.classes, "background"], []
    pairs = sorted(((int(count), names[row], names[column])
                    for (row, column), count in np.ndenumerate(counts) if row != column and count),
                   reverse=True)[:_PAIRS]
    drawn = [*range(len(names))]
    if len(scores.classes) > DRAWN:
        often = np.argsort(-counts[:-1].sum(axis=1), kind="stable")[:DRAWN]
        drawn = [*sorted(often), len(names) - 1]
        rest.append(Words(f"Drawn are the {DRAWN} classes with the most objects."))
    return [
        Words(f"Detections with a score of at least {threshold:.2f} (where F1 is best), at IoU "
              f"{IOU:g}. The column background has the objects that nothing met, its row the "
              "detections that met nothing."), *rest,
        Picture(draw_confusion(counts[np.ix_(drawn, drawn)], [names[i] for i in drawn],
                               [names[i] for i in drawn]),
                "Confusion matrix. " + _as_words(pairs)),
        Table(["truth", "taken for", "how many"], [[row, column, count]
                                                   for count, row, column in pairs])]


def _as_words(pairs: Sequence[tuple[int, str, str]]) -> str:
    return "Most often: " + ", ".join(f"{row} for {column} {count}"
                                      for count, row, column in pairs[:5])


def _worst(scores: InstanceScores, threshold: float) -> list[Block]:
    shown = worst_detections(scores, threshold, _IMAGES)
    if not shown:
        return [Missing("Worst images", "No image has errors, or none can be read in "
                        f"{scores.files.images}.")]
    return [Words(f"Those with the most errors at a score of at least {threshold:.2f}. Left the "
                  "truth, blue; right what was found: green is right, red is wrong, with its kind "
                  "of error; dashed orange is not met."),
            *(Row(one.name, one.words, one.pictures) for one in shown)]


def _share(part: float, whole: float) -> float:
    return 100 * float(part) / float(whole) if whole else float("nan")
