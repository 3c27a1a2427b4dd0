"""The check of a COCO panoptic set before training: its file, its PNGs, its instances."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from resnest_dense.base.findings import read_kinds
from resnest_dense.data.coco.entries import check_categories, check_image_entries, name_image
from resnest_dense.data.coco.images import check_image_files
from resnest_dense.data.coco.reading import load_coco_json
from resnest_dense.data.coco.report import KINDS, CocoReport
from resnest_dense.data.panoptic import reading
from resnest_dense.data.panoptic.pngs import check_pngs, check_stuff

__all__ = ["PANOPTIC_KINDS", "check_panoptic"]

# Severities follow detectron2's Panoptic FPN and the evaluation of panopticapi.
PANOPTIC_KINDS = read_kinds(__file__)


@dataclass
class _PanopticReport(CocoReport):
    kinds = {**KINDS, **PANOPTIC_KINDS}
    unit = "segments"


def check_panoptic(json_path: str | Path, panoptic_root: str | Path, image_root: str | Path, *,
                   thing_count: int | None = None, stuff_count: int | None = None,
                   instances_json: str | Path | None = None,
                   stuff_root: str | Path | None = None, evaluated: bool = True,
                   check_images: bool = True, limit: int | None = None) -> CocoReport:
    """Checks a panoptic set for all that ``kinds.json`` beside this file lists.

    Args:
        json_path: the panoptic annotation file.
        panoptic_root: folder of the PNGs that it names.
        image_root: folder of the images.
        thing_count: thing classes of the model, to compare with; None does not compare.
        stuff_count: stuff classes of the model, without the one for things.
        instances_json: instance annotations of the same images, to compare with.
        stuff_root: folder of semantic labels, where they are not derived.
        evaluated: the set is evaluated on; False makes notes of what only an evaluation needs.
        check_images: open the image files.
        limit: read at most so many PNGs, evenly spread; all must exist all the same.

    Returns:
        The report; its ``raise_if_wrong()`` stops where training would go wrong.

    Raises:
        ResNeStValueError: a file that is no panoptic or no instance JSON.
    """
    content = reading.load_panoptic_json(json_path)
    images, categories = content["images"], content["categories"]
    report = _PanopticReport(Path(json_path), Path(image_root), evaluated=evaluated)
    _check_classes(report, categories, thing_count, stuff_count)
    check_image_entries(report, images)
    _check_entries(report, content["annotations"], images)
    _check_segments(report, content["annotations"], categories)
    if instances_json is not None:
        _compare(report, load_coco_json(instances_json), content)
    check_pngs(report, content["annotations"], images, panoptic_root, limit)
    if stuff_root is not None:
        check_stuff(report, content["annotations"], images, stuff_root,
                    len(reading.stuff_labels(categories)), limit)
    if check_images:
        check_image_files(report, images, image_root)
    return report


def _check_classes(report: CocoReport, categories: list[dict], thing_count: int | None,
                   stuff_count: int | None) -> None:
    categories = sorted(categories, key=lambda category: category["id"])
    check_categories(report, categories, class_names=None, class_count=None)
    for kind, ours, theirs in (("thing-count", thing_count, reading.thing_categories(categories)),
                               ("stuff-count", stuff_count, reading.stuff_labels(categories))):
        if ours is not None and ours != len(theirs):
            report.add(kind, f"{ours} in the model, {len(theirs)} in the set")


def _check_entries(report: CocoReport, annotations: list[dict], images: list[dict]) -> None:
    """Checks the annotations, of which every image has one, apart from their segments."""
    if not annotations:
        report.add("no-annotations", "'annotations' is an empty list")
    named = {image.get("id"): image for image in images}
    annotated = Counter(entry.get("image_id") for entry in annotations)
    for position, entry in enumerate(annotations):
        where = f"annotations[{position}] (image_id {entry.get('image_id')!r})"
        if not isinstance(entry.get("file_name"), str) or not entry["file_name"]:
            report.add("panoptic-file-name", where)
        if entry.get("image_id") not in named:
            report.add("panoptic-image-unknown", where)
    report.add_repeats("panoptic-image-repeated", annotated.elements(), "image id ")
    for image_id, image in named.items():
        if image_id not in annotated:
            report.add("panoptic-image-missing", name_image(image))
    stems = (PurePosixPath(str(image.get("file_name"))).stem for image in images)
    report.add_repeats("panoptic-stem-repeated", stems)


def _check_segments(report: CocoReport, annotations: list[dict], categories: list[dict]) -> None:
    names = {category["id"]: category["name"] for category in categories}
    things = reading.thing_categories(categories)
    report.per_class = dict.fromkeys(names.values(), 0)
    sides: Counter[bool] = Counter()
    for entry in annotations:
        ids = Counter(segment.get("id") for segment in entry["segments_info"])
        for segment_id, count in ids.items():
            if count > 1:
                where = reading.name_segment(entry, segment_id)
                report.add("segment-id-repeated", f"{where}, {count} times")
        for segment in entry["segments_info"]:
            report.annotations += 1
            where = reading.name_segment(entry, segment.get("id"))
            category = segment.get("category_id")
            if type(segment.get("id")) is not int or not 0 < segment["id"] < 2**24:
                report.add("segment-id", where)
            if segment.get("iscrowd") not in (0, 1):
                report.add("segment-crowd", f"{where}: iscrowd={segment.get('iscrowd')!r}")
            if category in names:
                report.per_class[names[category]] += 1
                sides[category in things] += segment.get("iscrowd") != 1
            else:
                report.add("segment-category-unknown", f"{where}: category_id={category!r}")
    for isthing, side in ((True, "thing"), (False, "stuff")):
        if not sides[isthing]:
            report.add("panoptic-one-sided", f"no {side} among {report.annotations} segments")


def _compare(report: CocoReport, instances: dict, content: dict) -> None:
    things = reading.thing_categories(content["categories"])
    theirs = {category["id"]: category["name"] for category in instances["categories"]}
    for category_id in sorted(theirs.keys() | things.keys()):
        if theirs.get(category_id) != things.get(category_id):
            report.add("instances-things", f"category id {category_id}: "
                       f"{theirs.get(category_id)!r} there, {things.get(category_id)!r} here")
    known = {entry.get("image_id") for entry in content["annotations"]}
    for image in instances["images"]:
        if image.get("id") not in known:
            report.add("instances-images", name_image(image))
