"""Checks of the data sets that a config names, before anything is trained or measured on them."""

import importlib.util
import logging
import re
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.catalog import Metadata

from resnest_dense.d2.classes import describe_set, order_in_set, set_classes
from resnest_dense.d2.data.panoptic import is_derived
from resnest_dense.data.coco.check import check_coco
from resnest_dense.data.coco.report import CocoReport
from resnest_dense.data.panoptic.check import check_panoptic
from resnest_dense.errors import ResNeStError, ResNeStValueError

__all__ = ["check_channels", "check_datasets", "require_dataset"]

_logger = logging.getLogger(__name__)
_ANNOTATED = re.compile(rb'"annotations"\s*:\s*\[\s*\{')
_CHANNELS = {"RGB": 3, "BGR": 3, "YUV-BT.601": 3, "L": 1, "RGBA": 4, "CMYK": 4}  # of INPUT.FORMAT
_UNREADABLE = ("image-missing", "image-unreadable", "image-truncated")
_PNGS = 2000  # panoptic PNGs that are read before a run, evenly spread; all of COCO's take minutes


def check_datasets(cfg: CfgNode, names: tuple[str, ...], *, check_images: bool = True,
                   passed_over: int = 0) -> None:
    """Compares the classes of the named registered data sets with those of the first training set
    among them, checks their COCO-format files against ``cfg`` and logs what will be dropped; sets
    of other formats are passed over, and so are images without ``check_images``, and up to
    ``passed_over`` training images that cannot be read.

    Raises:
        ResNeStValueError: an unknown name, or anything that would make training wrong.
        ResNeStError: panoptic quality cannot be computed here.
    """
    for name in names:
        require_dataset(name)
    _compare_classes(cfg, names)
    for name in names:
        metadata = MetadataCatalog.get(name)
        kind = metadata.get("evaluator_type")
        if kind == "coco_panoptic_seg":
            reports = _check_panoptic(cfg, name, metadata, check_images)
        elif kind != "coco" or not metadata.get("json_file"):
            continue  # another format, or records that a function of the user makes
        elif (name in cfg.DATASETS.TRAIN
              or _ANNOTATED.search(Path(metadata.json_file).read_bytes())):
            reports = [_check_instances(cfg, name, metadata, check_images)]
        else:
            _logger.info("Data set %s has no annotations: predictions are written (COCO format, "
                         "for an evaluation server), nothing is measured.", name)
            reports = [check_coco(metadata.json_file, metadata.image_root, annotated=False)]
        for report in reports:
            if name not in cfg.DATASETS.TEST:
                report.excuse(_UNREADABLE, passed_over)
            report.raise_if_wrong()
            _logger.info("Data set %s:\n%s", name, report.table())


def _compare_classes(cfg: CfgNode, names: tuple[str, ...]) -> None:
    learned = [name for name in names if name in cfg.DATASETS.TRAIN]
    for name in names if learned else ():
        order = order_in_set(set_classes(learned[0]), name, source=describe_set(learned[0]))
        if name in learned and order != (None, None):
            raise ResNeStValueError(f"{describe_set(learned[0])} and {describe_set(name)} have the "
                                    "same classes in another order, and are to be learned "
                                    "together: give both the same.")


def require_dataset(name: str) -> Metadata:
    """The metadata of a registered data set; one of COCO's kind has its annotation file.

    Raises:
        ResNeStValueError: no such set, or no such file.
    """
    if name not in DatasetCatalog:
        raise ResNeStValueError(
            f"DATASETS names {name!r}, which is not registered. Register it, or give your own "
            "files by --train-json, --train-images, --val-json and --val-images.")
    metadata = MetadataCatalog.get(name)
    for key in ("json_file", "panoptic_json"):
        path = metadata.get(key)
        if path and not is_derived(metadata, key) and not Path(path).is_file():
            raise ResNeStValueError(
                f"Data set {name!r}: there is no file {path}. Put COCO under the folder that "
                "DETECTRON2_DATASETS names (./datasets where it is not set), or give your own "
                "files by --train-json and --train-images.")
    return metadata


def check_channels(cfg: CfgNode) -> None:
    """Compares the number of means and deviations with the channels of ``INPUT.FORMAT``.

    Raises:
        ResNeStValueError: another number.
    """
    channels = _CHANNELS.get(cfg.INPUT.FORMAT)
    for key in ("PIXEL_MEAN", "PIXEL_STD"):
        count = len(cfg.MODEL[key])
        if channels and count != channels:
            raise ResNeStValueError(
                f"MODEL.{key} has {count} values, and images have {channels} channels "
                f"(INPUT.FORMAT {cfg.INPUT.FORMAT}). Give {channels} values, or for images of four "
                "channels INPUT.FORMAT RGBA.")


def _check_instances(cfg: CfgNode, name: str, metadata: Metadata,
                     check_images: bool) -> CocoReport:
    retina = cfg.MODEL.META_ARCHITECTURE == "RetinaNet"
    head = cfg.MODEL.RETINANET if retina else cfg.MODEL.ROI_HEADS
    keypoints = cfg.MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS if cfg.MODEL.KEYPOINT_ON else None
    return check_coco(
        metadata.json_file, metadata.image_root,
        # One of several files may lack classes of the others.
        class_count=None if metadata.get("merged") else head.NUM_CLASSES,
        need_masks=cfg.MODEL.MASK_ON, keypoints=keypoints,
        # Where a set is only evaluated on, its masks are read by pycocotools, in either format.
        mask_format=cfg.INPUT.MASK_FORMAT if name in cfg.DATASETS.TRAIN else "",
        evaluated=name in cfg.DATASETS.TEST, check_images=check_images)


def _check_panoptic(cfg: CfgNode, name: str, metadata: Metadata,
                    check_images: bool) -> list[CocoReport]:
    if metadata.get("sem_seg_root") is None:
        raise ResNeStValueError(f"Data set {name!r} has no semantic labels, which Panoptic FPN "
                                f"learns: name {name + '_separated'!r} in DATASETS.")
    if name in cfg.DATASETS.TEST and importlib.util.find_spec("panopticapi") is None:
        raise ResNeStError(f"Panoptic quality on {name!r} needs panopticapi: pip install --no-deps "
                           "panopticapi-lite")
    # What is to be derived, once the rest has been checked, is right by construction.
    instances, stuff = (None if is_derived(metadata, key) else metadata.get(key)
                        for key in ("json_file", "sem_seg_root"))
    reports = [check_panoptic(
        metadata.panoptic_json, metadata.panoptic_root, metadata.image_root,
        thing_count=cfg.MODEL.ROI_HEADS.NUM_CLASSES,
        stuff_count=cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES - 1, instances_json=instances,
        stuff_root=stuff, evaluated=name in cfg.DATASETS.TEST, check_images=check_images,
        limit=_PNGS)]
    if instances:
        reports.append(_check_instances(cfg, name, metadata, check_images))
    return reports
