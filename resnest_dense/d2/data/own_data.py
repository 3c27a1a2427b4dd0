"""The user's own COCO-format files as data sets of detectron2."""

import argparse
import functools
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json

from resnest_dense.d2.data.keypoints import keypoint_metadata, use_keypoints
from resnest_dense.d2.data.panoptic import derived_folder, panoptic_metadata, register_panoptic
from resnest_dense.data.coco.reading import load_sections
from resnest_dense.data.own_files import OwnFiles, files_of
from resnest_dense.data.panoptic.reading import load_panoptic_json
from resnest_dense.data.text import make_plain
from resnest_dense.errors import ResNeStValueError, differences, listed

__all__ = ["use_own_data"]

_logger = logging.getLogger(__name__)
_NAMES = {"train": "own_train", "val": "own_val"}
_PREDICTED = ("images", "categories")  # sections that a set must have, also one without annotations
_Sets = Mapping[str, Mapping[str, OwnFiles]]  # by split, then by the name that a set gets


def use_own_data(cfg: CfgNode, args: argparse.Namespace) -> bool:
    """Registers the files that the arguments name and points ``cfg`` at them: data sets, classes,
    keypoints, stuff. Without files it leaves ``cfg`` alone and returns False.

    Raises:
        ResNeStValueError: files that lack a companion, that the model has no use for or that cannot
            be read.
    """
    panoptic = cfg.MODEL.META_ARCHITECTURE == "PanopticFPN"
    sets = {split: {_set_name(split, i): _plain(files, derived_folder(cfg, _set_name(split, i)))
                    for i, files in enumerate(every)} for split in _NAMES
            if (every := files_of(args, split, panoptic=panoptic))}
    if not sets:
        return False
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (tuple(sets.get(split, ())) for split in _NAMES)
    for name in (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST):
        # A second run in the same process (a notebook) may bring other files.
        if name in DatasetCatalog:
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)
    (_use_panoptic if panoptic else _use_instances)(cfg, sets)
    return True


def _set_name(split: str, number: int) -> str:
    return f"{_NAMES[split]}_{number + 1}" if number else _NAMES[split]


def _plain(files: OwnFiles, folder: str) -> OwnFiles:
    """The files in an encoding that pycocotools and detectron2 read."""
    return replace(files, json=make_plain(files.json, folder),
                   panoptic_json=make_plain(files.panoptic_json, folder))


def _categories_of(files: OwnFiles) -> list[dict]:
    path = files.panoptic_json or files.json
    # What is not there is said by who reads it.
    changed = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
    return _read_categories(path, bool(files.panoptic_json), changed)


@functools.lru_cache
def _read_categories(path: str, panoptic: bool, changed: int) -> list[dict]:
    # Kept, as reading COCO's file takes half a minute and a run asks several times.
    content = load_panoptic_json(path) if panoptic else load_sections(path, _PREDICTED)
    return sorted(content["categories"], key=lambda category: category["id"])


def _require_same(every: Iterable[OwnFiles], what: str, read: Callable[[OwnFiles], Any]) -> Any:
    """What ``read`` gives for the files, if it is the same for all."""
    found = {files.panoptic_json or files.json: read(files) for files in every}
    first = next(iter(found))
    for path, value in found.items():
        if value != found[first]:
            raise ResNeStValueError(
                f"{first} and {path} have different {what}: {differences(found[first], value)}. "
                "Give both files the same.")
    return found[first]


def _use_instances(cfg: CfgNode, sets: _Sets) -> None:
    metadata: dict[str, Any] = {}
    if cfg.MODEL.KEYPOINT_ON:
        every = [files for split in sets.values() for files in split.values()]
        metadata = _require_same(every, "keypoints", lambda files: keypoint_metadata(
            _categories_of(files), files.json))
        use_keypoints(cfg, metadata, every[0].json, evaluated="val" in sets)
    # The training sets are learned as one; each set to evaluate on is measured by itself.
    groups = [sets["train"]] if "train" in sets else []
    groups += [{name: files} for name, files in sets.get("val", {}).items()]
    for group in reversed(groups):  # the number of classes is that of the first one
        classes = _merge_classes(group)
        cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.RETINANET.NUM_CLASSES = len(classes)
        for name, files in group.items():
            _register_instances(name, files, classes, {**metadata, "merged": len(group) > 1})


def _merge_classes(group: Mapping[str, OwnFiles]) -> list[str]:
    """The class names of files that are learned as one: those of the first, as its ids go, then
    those that the next ones add."""
    names = {path: [category["name"] for category in _categories_of(path)]
             for path in group.values()}
    classes = list(dict.fromkeys(name for own in names.values() for name in own))
    if len(group) > 1:
        _logger.info("%d annotation files: classes are merged by name, %d in all: %s.", len(group),
                     len(classes), listed(classes))
    for files, own in names.items():
        if lacking := sorted({*classes} - {*own}):
            _logger.warning("%s has no category %s: such objects in its images are learned as "
                            "background.", files.json, listed(lacking))
    return classes


def _register_instances(name: str, files: OwnFiles, classes: list[str], metadata: dict) -> None:
    """As detectron2's ``register_coco_instances``, with class numbers of the merged ``classes``."""
    numbers = {category["id"]: classes.index(category["name"])
               for category in _categories_of(files)}

    def load() -> list[dict]:
        records = load_coco_json(files.json, files.images)
        for annotation in (one for record in records for one in record["annotations"]):
            annotation["category_id"] = numbers[annotation["category_id"]]
        return records

    DatasetCatalog.register(name, load)
    MetadataCatalog.get(name).set(
        json_file=files.json, image_root=files.images, evaluator_type="coco",
        thing_classes=classes, thing_dataset_id_to_contiguous_id=numbers, **metadata)


def _use_panoptic(cfg: CfgNode, sets: _Sets) -> None:
    for name, files in reversed([item for split in sets.values() for item in split.items()]):
        metadata = panoptic_metadata(_categories_of(files))
        # Those of the training set, which comes last, stay.
        cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(metadata["thing_classes"])
        cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES = len(metadata["stuff_classes"])
        folder = derived_folder(cfg, name)
        derived = {}
        if not files.json:
            derived["json_file"] = os.path.join(folder, "instances", "instances.json")
            cfg.INPUT.MASK_FORMAT = "bitmask"  # masks that come from PNGs are run-length coded
        if not files.stuff_pngs:
            derived["sem_seg_root"] = os.path.join(folder, "stuff")
        places = {"json_file": files.json, "sem_seg_root": files.stuff_pngs, **derived}
        register_panoptic(
            name, metadata, derived=tuple(derived), image_root=files.images,
            panoptic_json=files.panoptic_json, panoptic_root=files.panoptic_pngs, **places)
