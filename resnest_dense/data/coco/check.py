"""The check of a COCO-format set before training: what would stop, go wrong or be dropped."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from resnest_dense.data.coco import entries
from resnest_dense.data.coco.boxes import check_boxes
from resnest_dense.data.coco.images import check_image_files
from resnest_dense.data.coco.keypoints import check_keypoints
from resnest_dense.data.coco.masks import check_masks
from resnest_dense.data.coco.reading import gc_paused, load_coco_json, load_sections
from resnest_dense.data.coco.report import CocoReport

__all__ = ["check_coco", "load_coco_json"]


def check_coco(json_path: str | Path, image_root: str | Path, *,
               class_names: Sequence[str] | None = None, class_count: int | None = None,
               need_masks: bool = False, mask_format: str = "", keypoints: int | None = None,
               evaluated: bool = True, annotated: bool = True,
               check_images: bool = True) -> CocoReport:
    """Checks a COCO-format set for all that ``kinds.json`` beside this file lists.

    Args:
        json_path: the annotation file.
        image_root: folder that ``file_name`` starts from.
        class_names: of the model, in order, to compare with; None does not compare.
        class_count: of the model, to compare with; None does not compare.
        need_masks: the model learns masks.
        mask_format: the config's INPUT.MASK_FORMAT; "" where unknown.
        keypoints: number that the model predicts; None where it predicts none.
        evaluated: the set is evaluated on; False makes notes of what only an evaluation needs.
        annotated: the set has annotations; False checks images and categories alone.
        check_images: open the image files (their heads, in threads).

    Returns:
        The report; its ``raise_if_wrong()`` stops where training would go wrong.

    Raises:
        ResNeStValueError: the file is no COCO-format JSON.
    """
    with gc_paused():
        content = (load_coco_json(json_path) if annotated else
                   load_sections(json_path, ("images", "categories")))
        report = CocoReport(Path(json_path), Path(image_root), evaluated=evaluated)
        images = content["images"]
        categories = sorted(content["categories"], key=lambda category: category["id"])
        entries.check_categories(report, categories, class_names=class_names,
                                 class_count=class_count)
        entries.check_image_entries(report, images)
        if annotated:
            linked = entries.link_annotations(report, content["annotations"], images, categories)
            boxes = check_boxes(report, linked)
            unloaded, empty = check_masks(report, linked, boxes, needed=need_masks,
                                          mask_format=mask_format)
            unmarked = check_keypoints(report, linked, categories, keypoints)
            _count_trained(report, linked, loaded=~linked.crowd & ~unloaded,
                           usable=np.isfinite(boxes).all(axis=1) & ~empty & ~unmarked)
    if check_images:
        check_image_files(report, images, image_root)
    return report


def _count_trained(report: CocoReport, linked: entries.Entries, *, loaded: np.ndarray,
                   usable: np.ndarray) -> None:
    """Finds images without an object, and what is left to train on."""

    def describe(position: int) -> str:
        return entries.name_image(linked.images[position])

    all_of, loaded_of = (np.bincount(linked.image[chosen], minlength=len(linked.images))
                         for chosen in (slice(None), loaded))
    report.add_where("image-empty", all_of == 0, describe)
    report.add_where("image-only-crowds", (all_of > 0) & (loaded_of == 0), describe)
    report.trained = int((loaded & usable).sum())
    if report.annotations and not report.trained:
        report.add("nothing-to-train", f"{report.annotations} annotations, all dropped or wrong")
