"""Panoptic data sets of detectron2: registered with derived files where the user has none."""

import logging
import os
from functools import partial

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.catalog import Metadata
from detectron2.data.datasets import load_coco_json

from resnest_dense.data.coco.reading import load_sections
from resnest_dense.data.labels.pictures import default_palette
from resnest_dense.data.panoptic.derived import write_instances, write_stuff_labels
from resnest_dense.data.panoptic.reading import stuff_labels, thing_categories

__all__ = ["derive_missing", "derived_folder", "is_derived", "panoptic_metadata",
           "register_panoptic", "use_derived_stuff"]

_logger = logging.getLogger(__name__)


def derived_folder(cfg: CfgNode, name: str) -> str:
    """Where the files derived from the panoptic set ``name`` are kept."""
    return os.path.join(cfg.OUTPUT_DIR, "derived", name)


def is_derived(metadata: Metadata, key: str) -> bool:
    """Whether the file or folder under a key of a set's metadata is one that is derived."""
    return key in metadata.get("derived", ())


def panoptic_metadata(categories: list[dict]) -> dict:
    """What detectron2 wants to know of the categories of a panoptic file, as for its own sets."""
    things, labels = thing_categories(categories), stuff_labels(categories)
    names = {category["id"]: category["name"] for category in categories}
    return {
        "thing_classes": list(things.values()),
        "thing_dataset_id_to_contiguous_id": {number: i for i, number in enumerate(things)},
        "stuff_classes": ["things", *(names[number] for number in labels)],
        "stuff_dataset_id_to_contiguous_id": {**labels, 0: 0},
        "stuff_colors": [list(colour) for colour in default_palette(len(labels) + 1)],
    }


def register_panoptic(name: str, metadata: dict, *, derived: tuple[str, ...], image_root: str,
                      panoptic_json: str, panoptic_root: str, json_file: str,
                      sem_seg_root: str) -> None:
    """Registers a set as detectron2's ``register_coco_panoptic_separated`` does, but with images of
    any format, and labels matched by image id instead of by folder listings: they are named as the
    panoptic PNGs. ``derived`` are those of "json_file" and "sem_seg_root" that
    :func:`derive_missing` writes.
    """
    def load() -> list[dict]:
        labels = {entry["image_id"]: entry["file_name"]
                  for entry in load_sections(panoptic_json)["annotations"]}
        records = load_coco_json(json_file, image_root, name)
        for record in records:
            record["sem_seg_file_name"] = os.path.join(sem_seg_root, labels[record["image_id"]])
        return records

    DatasetCatalog.register(name, load)
    MetadataCatalog.get(name).set(
        image_root=image_root, panoptic_json=panoptic_json, panoptic_root=panoptic_root,
        json_file=json_file, sem_seg_root=sem_seg_root, ignore_label=255, derived=derived,
        evaluator_type="coco_panoptic_seg", **metadata)


def use_derived_stuff(cfg: CfgNode) -> None:
    """Lets detectron2's own panoptic sets that ``cfg`` names read derived semantic labels, where
    the folder of labels that its ``prepare_panoptic_fpn.py`` would write does not exist.
    """
    for name in {*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST} & {*DatasetCatalog}:
        metadata = MetadataCatalog.get(name).as_dict()
        root = metadata.get("sem_seg_root")
        if metadata.get("evaluator_type") != "coco_panoptic_seg" or not root or os.path.isdir(root):
            continue
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
        places = {key: metadata[key]
                  for key in ("image_root", "panoptic_json", "panoptic_root", "json_file")}
        classes = {key: metadata[key] for key in metadata if key.startswith(("thing_", "stuff_"))}
        register_panoptic(name, classes, derived=("sem_seg_root",), **places,
                          sem_seg_root=os.path.join(derived_folder(cfg, name), "stuff"))


def derive_missing(names: tuple[str, ...]) -> None:
    """Writes the semantic labels and instances that the panoptic ones of the named sets were
    registered with but lack.
    """
    for name in names:
        metadata = MetadataCatalog.get(name)
        if metadata.get("evaluator_type") != "coco_panoptic_seg":
            continue
        source = metadata.panoptic_json, metadata.panoptic_root
        labels = {k: v for k, v in metadata.stuff_dataset_id_to_contiguous_id.items() if k}
        for key, what, write in (
                ("sem_seg_root", "semantic labels", partial(write_stuff_labels, labels=labels)),
                ("json_file", "instances", write_instances)):
            if is_derived(metadata, key) and write(*source, metadata.get(key)):
                _logger.info("Data set %s: %s derived from its panoptic PNGs, in %s.", name, what,
                             metadata.get(key))
