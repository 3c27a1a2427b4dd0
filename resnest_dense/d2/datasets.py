"""The data sets of a run: the user's own COCO-format files, and checks before training."""

import logging
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances

from resnest_dense.data.coco_check import check_coco, load_coco_json
from resnest_dense.errors import ResNeStValueError

__all__ = ["check_datasets", "read_categories", "use_coco_files"]

_NAMES = {"train": "own_train", "val": "own_val"}

_logger = logging.getLogger(__name__)


def use_coco_files(cfg: CfgNode, *, train_json: str = "", train_images: str = "",
                   val_json: str = "", val_images: str = "") -> None:
    """Registers the user's COCO-format files and points ``cfg`` at them: data sets and class count.

    Args:
        cfg: changed in place.
        train_json: annotations to train on; "" for none.
        train_images: folder of their images.
        val_json: annotations to evaluate on; "" for none.
        val_images: folder of their images.

    Raises:
        ResNeStValueError: a file without its folder, a file that cannot be read, or classes that
            differ between the two files.
    """
    given = {"train": (train_json, train_images), "val": (val_json, val_images)}
    classes = {}
    for split, (json_file, folder) in given.items():
        if bool(json_file) != bool(folder):
            raise ResNeStValueError(
                f"--{split}-json and --{split}-images belong together; got {json_file!r} and "
                f"{folder!r}."
            )
        if json_file:
            classes[split] = read_categories(json_file)
            _register(_NAMES[split], json_file, folder)
    if not classes:
        return
    if len(classes) == 2 and classes["train"] != classes["val"]:
        raise ResNeStValueError(
            f"{train_json} and {val_json} have different categories: {classes['train']} and "
            f"{classes['val']}. Give both files the same ids and names."
        )
    names = next(iter(classes.values()))
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.RETINANET.NUM_CLASSES = len(names)
    cfg.DATASETS.TRAIN = tuple(_NAMES[split] for split in classes if split == "train")
    cfg.DATASETS.TEST = tuple(_NAMES[split] for split in classes if split == "val")


def check_datasets(cfg: CfgNode, names: tuple[str, ...]) -> None:
    """Checks the COCO-format files of the named data sets and logs what will be dropped.

    Args:
        cfg: tells the class count, and whether masks are needed.
        names: as registered with detectron2; sets of other formats are passed over.

    Raises:
        ResNeStValueError: an unknown name, or anything that would make training wrong.
    """
    for name in names:
        if name not in DatasetCatalog:
            raise ResNeStValueError(
                f"DATASETS names {name!r}, which is not registered. Register it, or give your own "
                "files by --train-json, --train-images, --val-json and --val-images."
            )
        metadata = MetadataCatalog.get(name)
        if metadata.get("evaluator_type") != "coco":
            continue
        if not Path(metadata.json_file).is_file():
            raise ResNeStValueError(
                f"Data set {name!r}: there is no file {metadata.json_file}. Put COCO under the "
                "folder that DETECTRON2_DATASETS names (./datasets where it is not set), or give "
                "your own files by --train-json and --train-images."
            )
        report = check_coco(metadata.json_file, metadata.image_root,
                            class_count=_class_count(cfg), need_masks=cfg.MODEL.MASK_ON)
        report.raise_if_wrong()
        _logger.info("Data set %s:\n%s", name, report.table())


def read_categories(json_file: str) -> dict[int, str]:
    """Names of the categories of a COCO-format file by id, in the order of the ids."""
    categories = load_coco_json(json_file)["categories"]
    return {c["id"]: c["name"] for c in sorted(categories, key=lambda c: c["id"])}


def _class_count(cfg: CfgNode) -> int:
    head = cfg.MODEL.RETINANET if cfg.MODEL.META_ARCHITECTURE == "RetinaNet" else cfg.MODEL.ROI_HEADS
    return head.NUM_CLASSES


def _register(name: str, json_file: str, folder: str) -> None:
    # A second run in the same process (a notebook) may bring other files.
    if name in DatasetCatalog:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    register_coco_instances(name, {}, json_file, folder)
