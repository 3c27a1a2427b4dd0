"""The user's own COCO-format files as data sets of detectron2."""

import argparse
import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances

from resnest_dense.d2.data.keypoints import keypoint_metadata, use_keypoints
from resnest_dense.d2.data.panoptic import derived_folder, panoptic_metadata, register_panoptic
from resnest_dense.data.coco.reading import load_coco_json
from resnest_dense.data.own_files import OwnFiles, files_of
from resnest_dense.data.panoptic.reading import load_panoptic_json, thing_categories
from resnest_dense.errors import ResNeStValueError

__all__ = ["use_own_data"]

_NAMES = {"train": "own_train", "val": "own_val"}


def use_own_data(cfg: CfgNode, args: argparse.Namespace) -> bool:
    """Registers the files that the arguments name and points ``cfg`` at them: data sets, classes,
    keypoints, stuff.

    Returns:
        Whether files are named; ``cfg`` is left alone where none are.

    Raises:
        ResNeStValueError: files that lack a companion, that the model has no use for or that cannot
            be read, or classes that differ between the splits.
    """
    panoptic = cfg.MODEL.META_ARCHITECTURE == "PanopticFPN"
    splits = {split: files for split in _NAMES
              if (files := files_of(args, split, panoptic=panoptic))}
    if not splits:
        return False
    names = _require_same(splits, "categories", _names_of)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.RETINANET.NUM_CLASSES = len(names)
    cfg.DATASETS.TRAIN = (_NAMES["train"],) if "train" in splits else ()
    cfg.DATASETS.TEST = (_NAMES["val"],) if "val" in splits else ()
    for split in splits:
        # A second run in the same process (a notebook) may bring other files.
        if _NAMES[split] in DatasetCatalog:
            DatasetCatalog.remove(_NAMES[split])
            MetadataCatalog.remove(_NAMES[split])
    use = _use_panoptic if panoptic else _use_instances
    use(cfg, splits)
    return True


def _names_of(files: OwnFiles) -> dict[int, str]:
    categories = _categories_of(files)
    if files.panoptic_json:
        return thing_categories(categories)
    return {c["id"]: c["name"] for c in sorted(categories, key=lambda c: c["id"])}


def _categories_of(files: OwnFiles) -> list[dict]:
    path = files.panoptic_json or files.json
    # What is not there is said by who reads it.
    changed = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
    return _read_categories(path, bool(files.panoptic_json), changed)


@functools.lru_cache
def _read_categories(path: str, panoptic: bool, changed: int) -> list[dict]:
    # Kept, as reading COCO's file takes half a minute and a run asks several times.
    return (load_panoptic_json if panoptic else load_coco_json)(path)["categories"]


def _require_same(splits: Mapping[str, OwnFiles], what: str,
                  read: Callable[[OwnFiles], Any]) -> Any:
    """What ``read`` gives for the files of the splits, if it is the same for all."""
    found = {files.panoptic_json or files.json: read(files) for files in splits.values()}
    first, last = list(found)[0], list(found)[-1]
    if found[first] != found[last]:
        raise ResNeStValueError(f"{first} and {last} have different {what}: {found[first]} and "
                                f"{found[last]}. Give both files the same ids and names.")
    return found[first]


def _use_instances(cfg: CfgNode, splits: Mapping[str, OwnFiles]) -> None:
    metadata = {}
    if cfg.MODEL.KEYPOINT_ON:
        metadata = _require_same(splits, "keypoints", lambda files: keypoint_metadata(
            _categories_of(files), files.json))
        first = next(iter(splits.values()))
        use_keypoints(cfg, metadata, first.json, evaluated="val" in splits)
    for split, files in splits.items():
        register_coco_instances(_NAMES[split], metadata, files.json, files.images)


def _use_panoptic(cfg: CfgNode, splits: Mapping[str, OwnFiles]) -> None:
    metadata = _require_same(splits, "stuff categories", lambda files: panoptic_metadata(
        _categories_of(files)))
    cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES = len(metadata["stuff_classes"])
    for split, files in splits.items():
        folder = derived_folder(cfg, _NAMES[split])
        derived = {}
        if not files.json:
            derived["json_file"] = os.path.join(folder, "instances", "instances.json")
            cfg.INPUT.MASK_FORMAT = "bitmask"  # masks that come from PNGs are run-length coded
        if not files.stuff_pngs:
            derived["sem_seg_root"] = os.path.join(folder, "stuff")
        places = {"json_file": files.json, "sem_seg_root": files.stuff_pngs, **derived}
        register_panoptic(
            _NAMES[split], metadata, derived=tuple(derived), image_root=files.images,
            panoptic_json=files.panoptic_json, panoptic_root=files.panoptic_pngs, **places)
