"""The user's own COCO-format files as data sets of detectron2, with their keypoints."""

import argparse
import functools
import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.data.datasets.builtin_meta import COCO_PERSON_KEYPOINT_NAMES

from resnest_dense.d2.data.panoptic import derived_folder, panoptic_metadata, register_panoptic
from resnest_dense.data.coco.reading import load_coco_json
from resnest_dense.data.labels.pictures import default_palette
from resnest_dense.data.own_files import OwnFiles, files_of
from resnest_dense.data.panoptic.reading import load_panoptic_json, thing_categories
from resnest_dense.errors import ResNeStValueError, differences, listed

__all__ = ["flip_map", "keypoint_metadata", "use_own_data"]

_logger = logging.getLogger(__name__)
_NAMES = {"train": "own_train", "val": "own_val"}
# The words anywhere, or their first letters alone in snake_case or camelCase: left_eye, eyeR.
_SIDE = re.compile(r"(?i:left|right)|(?<![A-Za-z])[lr](?![a-z])|(?<![A-Z])[LR](?![a-z])")
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


def use_own_data(cfg: CfgNode, args: argparse.Namespace) -> bool:
    """Registers the files that the arguments name and points ``cfg`` at them: data sets, classes,
    keypoints, stuff. Without files it leaves ``cfg`` alone and returns False.

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
        raise ResNeStValueError(
            f"{first} and {last} have different {what}: {differences(found[first], found[last])}. "
            "Give both files the same ids and names.")
    return found[first]


def _use_instances(cfg: CfgNode, splits: Mapping[str, OwnFiles]) -> None:
    metadata = {}
    if cfg.MODEL.KEYPOINT_ON:
        metadata = _require_same(splits, "keypoints", lambda files: keypoint_metadata(
            _categories_of(files), files.json))
        first = next(iter(splits.values()))
        _use_keypoints(cfg, metadata, first.json, evaluated="val" in splits)
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


def keypoint_metadata(categories: list[dict], json_file: str) -> dict:
    """What detectron2 wants to know of the keypoints of a set: their names, the pairs that a flip
    swaps, and the lines to draw between them; as the first category of ``json_file`` with keypoints
    says.

    Raises:
        ResNeStValueError: no category names keypoints, or names and skeleton do not fit together.
    """
    category = next((c for c in categories if c.get("keypoints")), None)
    if category is None:
        raise ResNeStValueError(
            f"{json_file}: no category has 'keypoints', the list of their names; the model "
            "predicts keypoints. Add it to the category, or set MODEL.KEYPOINT_ON False.")
    names, edges = category["keypoints"], category.get("skeleton") or []
    where = f"{json_file}: category {category['name']!r}"
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ResNeStValueError(f"{where} has keypoints={names!r}; write a list of their names.")
    if len(set(names)) != len(names):
        raise ResNeStValueError(f"{where} names a keypoint twice: {listed(names)}. Give each its "
                                "own name.")
    if not isinstance(edges, list) or not all(_is_edge(edge, len(names)) for edge in edges):
        raise ResNeStValueError(f"{where} has skeleton={edges}; write pairs of numbers from 1 to "
                                f"{len(names)}, which count its keypoints.")
    return {"keypoint_names": list(names), "keypoint_flip_map": flip_map(names),
            "keypoint_connection_rules": [
                (names[a - 1], names[b - 1], colour)
                for (a, b), colour in zip(edges, default_palette(len(edges)))]}


def flip_map(names: list[str]) -> list[tuple[str, str]]:
    """The pairs of keypoints ("left_eye", "eyeR") that change places in a mirror image: left and
    right of the same.
    """
    pairs = ((name, _SIDE.sub(_other_side, name)) for name in names)
    return [(a, b) for a, b in pairs if b in names and names.index(a) < names.index(b)]


def _use_keypoints(cfg: CfgNode, metadata: dict, json_file: str, *, evaluated: bool) -> None:
    """Sets the number of keypoints in ``cfg``, tells what a flip does to them, and makes sure that
    their AP is defined, if it is going to be computed."""
    names = metadata["keypoint_names"]
    if cfg.INPUT.RANDOM_FLIP != "none":
        pairs = listed(f"{a} and {b}" for a, b in metadata["keypoint_flip_map"])
        _logger.info("Keypoints: in a mirrored image %s. If more of %s have a side, put left and "
                     "right into their names, or set INPUT.RANDOM_FLIP none.",
                     f"these change places: {pairs}" if pairs else "none change places", names)
    cfg.MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS = len(names)
    sigmas = cfg.TEST.KEYPOINT_OKS_SIGMAS
    if not evaluated or not sigmas and tuple(names) == tuple(COCO_PERSON_KEYPOINT_NAMES):
        return  # pycocotools has the sigmas of COCO's own
    if len(sigmas) != len(names):
        example = ", ".join(["0.05"] * len(names))
        raise ResNeStValueError(
            f"TEST.KEYPOINT_OKS_SIGMAS has {len(sigmas)} values and {json_file} {len(names)} "
            f"keypoints ({listed(names)}). Keypoint AP needs one for each: how far, as a part "
            "of the object's size, people place it apart (COCO: eyes 0.025, hips 0.107), such as "
            f'TEST.KEYPOINT_OKS_SIGMAS "[{example}]".')


def _is_edge(edge: object, count: int) -> bool:
    return isinstance(edge, list) and len(edge) == 2 and all(
        type(number) is int and 1 <= number <= count for number in edge)


def _other_side(match: re.Match) -> str:
    word = match.group()
    other = _OTHER[word.lower()]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other
