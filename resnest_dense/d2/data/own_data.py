"""The user's own COCO-format files as data sets of detectron2."""

import argparse
import functools
import os

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances

from resnest_dense.d2.data.keypoints import keypoint_metadata, use_keypoints
from resnest_dense.d2.data.panoptic import derived_folder, panoptic_metadata, register_panoptic
from resnest_dense.data.coco_json import load_coco_json
from resnest_dense.data.own_files import files_of
from resnest_dense.data.panoptic_json import load_panoptic_json, thing_categories
from resnest_dense.errors import ResNeStValueError

__all__ = ["use_own_data"]

_NAMES = {"train": "own_train", "val": "own_val"}


def use_own_data(cfg: CfgNode, args: argparse.Namespace) -> bool:
    """Registers the files that the arguments name and points ``cfg`` at them: data sets, classes,
    keypoints, stuff.

    Args:
        cfg: changed in place; left alone where no files are named.
        args: parsed by a parser that :func:`resnest_dense.data.own_files.add_arguments` extended.

    Returns:
        Whether files are named.

    Raises:
        ResNeStValueError: files that lack a companion, that the model has no use for or that cannot
            be read, or classes that differ between the splits.
    """
    panoptic = cfg.MODEL.META_ARCHITECTURE == "PanopticFPN"
    splits = {split: files for split in _NAMES
              if (files := files_of(args, split, panoptic=panoptic))}
    if not splits:
        return False
    first = next(iter(splits.values()))
    categories = _same_in_both(splits, "categories", _names_of)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.RETINANET.NUM_CLASSES = len(categories)
    cfg.DATASETS.TRAIN = tuple(_NAMES[split] for split in splits if split == "train")
    cfg.DATASETS.TEST = tuple(_NAMES[split] for split in splits if split == "val")
    if first.panoptic_json:
        _use_panoptic(cfg, splits)
        return True
    metadata = {}
    if cfg.MODEL.KEYPOINT_ON:
        metadata = _same_in_both(splits, "keypoints", lambda files: keypoint_metadata(
            _categories_of(files), files.json))
        use_keypoints(cfg, metadata, first.json, evaluated="val" in splits)
    for split, files in splits.items():
        _forget(_NAMES[split])
        register_coco_instances(_NAMES[split], metadata, files.json, files.images)
    return True


def _names_of(files):
    categories = _categories_of(files)
    if files.panoptic_json:
        return thing_categories(categories)
    return {c["id"]: c["name"] for c in sorted(categories, key=lambda c: c["id"])}


def _categories_of(files):
    path = files.panoptic_json or files.json
    try:
        return _read_categories(path, bool(files.panoptic_json), os.stat(path).st_mtime_ns)
    except OSError as error:
        raise ResNeStValueError(
            f"{path} cannot be read ({error.strerror}). Check the path and the access rights."
        ) from error


@functools.lru_cache
def _read_categories(path, panoptic, changed):
    # Kept, as reading COCO's file takes half a minute and a run asks several times.
    return (load_panoptic_json if panoptic else load_coco_json)(path)["categories"]


def _same_in_both(splits, what, read):
    """What ``read`` gives for the files of the splits, if it is the same for all."""
    found = {files.panoptic_json or files.json: read(files) for files in splits.values()}
    first, last = list(found)[0], list(found)[-1]
    if found[first] != found[last]:
        raise ResNeStValueError(
            f"{first} and {last} have different {what}: {found[first]} and {found[last]}. Give "
            "both files the same ids and names."
        )
    return found[first]


def _use_panoptic(cfg, splits):
    metadata = _same_in_both(splits, "stuff categories", lambda files: panoptic_metadata(
        _categories_of(files)))
    cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES = len(metadata["stuff_classes"])
    for split, files in splits.items():
        name = _NAMES[split]
        _forget(name)
        folder = derived_folder(cfg, name)
        if not files.json:
            # Masks that come from PNGs are run-length coded.
            cfg.INPUT.MASK_FORMAT = "bitmask"
        register_panoptic(
            name, metadata, image_root=files.images, panoptic_json=files.panoptic_json,
            panoptic_root=files.panoptic_pngs,
            instances_json=files.json or os.path.join(folder, "instances", "instances.json"),
            sem_seg_root=files.stuff_pngs or os.path.join(folder, "stuff"),
            derived=(*([] if files.json else ["json_file"]),
                     *([] if files.stuff_pngs else ["sem_seg_root"])),
        )


def _forget(name):
    # A second run in the same process (a notebook) may bring other files.
    if name in DatasetCatalog:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
