"""The user's own COCO-format files as data sets of detectron2, with their keypoints."""

import argparse
import functools
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json
from detectron2.data.datasets.builtin_meta import COCO_PERSON_KEYPOINT_NAMES

from resnest_dense.d2.data.panoptic import derived_folder, panoptic_metadata, register_panoptic
from resnest_dense.data.coco.reading import load_sections
from resnest_dense.data.labels.pictures import default_palette
from resnest_dense.data.own_files import OwnFiles, files_of
from resnest_dense.data.panoptic.reading import load_panoptic_json
from resnest_dense.errors import ResNeStValueError
from resnest_dense.runs import in_short

__all__ = ["flip_map", "keypoint_metadata", "use_own_data"]

_logger = logging.getLogger(__name__)
_NAMES = {"train": "own_train", "val": "own_val"}
_PREDICTED = ("images", "categories")  # sections that a set must have, also one without annotations
_Sets = Mapping[str, Mapping[str, OwnFiles]]  # by split, then by the name that a set gets
# The words anywhere, or their first letters alone in snake_case or camelCase: left_eye, eyeR.
_SIDE = re.compile(r"(?i:left|right)|(?<![A-Za-z])[lr](?![a-z])|(?<![A-Z])[LR](?![a-z])")
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


def use_own_data(cfg: CfgNode, args: argparse.Namespace) -> bool:
    """Registers the files that the arguments name and points ``cfg`` at them: data sets, classes,
    keypoints, stuff. Without files it leaves ``cfg`` alone and returns False.

    Raises:
        ResNeStValueError: files that lack a companion, that the model has no use for or that cannot
            be read.
    """
    panoptic = cfg.MODEL.META_ARCHITECTURE == "PanopticFPN"
    sets = {split: {_set_name(split, i): files for i, files in enumerate(every)} for split in _NAMES
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
            raise ResNeStValueError(f"{first} and {path} have different {what}: {found[first]} and "
                                    f"{value}. Give both files the same.")
    return found[first]


def _use_instances(cfg: CfgNode, sets: _Sets) -> None:
    metadata: dict[str, Any] = {}
    if cfg.MODEL.KEYPOINT_ON:
        every = [files for split in sets.values() for files in split.values()]
        metadata = _require_same(every, "keypoints", lambda files: keypoint_metadata(
            _categories_of(files), files.json))
        _use_keypoints(cfg, metadata, every[0].json, evaluated="val" in sets)
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
                     len(classes), in_short(classes))
    for files, own in names.items():
        if lacking := sorted({*classes} - {*own}):
            _logger.warning("%s has no category %s: such objects in its images are learned as "
                            "background.", files.json, in_short(lacking))
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
        raise ResNeStValueError(f"{where} names a keypoint twice: {names}. Give each its own name.")
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
        pairs = ", ".join(f"{a} and {b}" for a, b in metadata["keypoint_flip_map"])
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
            f"keypoints ({', '.join(names)}). Keypoint AP needs one for each: how far, as a part "
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
