"""Pictures of what a detector is trained on: ground truth after the config's own augmentation."""

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from detectron2.config import CfgNode, instantiate
from detectron2.data import DatasetMapper, MetadataCatalog, build_detection_train_loader
from detectron2.data.catalog import Metadata
from detectron2.data.detection_utils import convert_image_to_rgb
from detectron2.structures import Instances
from detectron2.utils.visualizer import VisImage, Visualizer
from PIL import Image

from resnest_dense.base.progress import progress
from resnest_dense.config_errors import explained
from resnest_dense.d2.config import load_lazy_config
from resnest_dense.d2.data.checks import require_dataset
from resnest_dense.data.labels.pictures import default_palette
from resnest_dense.data.results import attempt, save_picture

__all__ = ["show_lazy_training_data", "show_training_data"]

_SIDE = 640  # pixels; smaller images are drawn larger, so that labels fit


Shown = tuple[list[Path], dict[str, str]]
"""Pictures, and the files that could not be shown, with why."""


def show_training_data(cfg: CfgNode, out: str | Path, count: int) -> Shown:
    """Draws the first ``count`` images of a training run as the network gets them: resized,
    flipped, cropped, with boxes, masks and keypoints, and beside them the semantic labels of a
    panoptic set. An image may come again, augmented anew, also in place of one that cannot be read.
    The pictures are ``0000_name-of-the-image.png`` and so on in the folder ``out``.
    """
    cfg = cfg.clone()
    cfg.defrost()
    cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_WORKERS = 1, 0
    # Before the metadata, as loading the images tells detectron2 the names of the classes.
    mapper = _Passing(DatasetMapper(cfg, is_train=True))
    loader = build_detection_train_loader(cfg, mapper=mapper)
    metadata = MetadataCatalog.get(cfg.DATASETS.TRAIN[0])
    return _draw_items(loader, cfg.INPUT.FORMAT, metadata, Path(out), count), mapper.failures


def show_lazy_training_data(config: str | Path, overrides: list[str], out: str | Path,
                            count: int) -> Shown:
    """As :func:`show_training_data`, for the path of a LazyConfig and ``key=value`` overrides.

    Raises:
        ResNeStValueError: the config's data set is not there.
    """
    with explained(config):
        train = load_lazy_config(config, overrides).dataloader.train
        train.total_batch_size, train.num_workers = 1, 0
        names = ([train.dataset.names] if isinstance(train.dataset.names, str)
                 else train.dataset.names)
        for name in names:
            require_dataset(name)
        image_format, mapper = train.mapper.image_format, _Passing(instantiate(train.mapper))
        train.mapper = mapper
        loader = instantiate(train)
    return (_draw_items(loader, image_format, MetadataCatalog.get(names[0]), Path(out), count),
            mapper.failures)


class _Passing:
    """A mapper that passes over records which cannot be read: detectron2 then takes others."""

    def __init__(self, mapper: Callable[[dict], dict]):
        self._mapper = mapper
        self.failures: dict[str, str] = {}

    def __call__(self, record: dict) -> dict | None:
        with attempt(record["file_name"], self.failures):
            return self._mapper(record)
        return None


def _draw_items(loader: Iterable[list[dict]], image_format: str, metadata: Metadata, out: Path,
                count: int) -> list[Path]:
    pictures: list[Path] = []
    with attempt("all others", {}):  # detectron2 raises where no record can be read
        for number, [item] in enumerate(progress(islice(loader, count), "images", total=count)):
            path = out / f"{number:04d}_{Path(item['file_name']).stem}.png"
            save_picture(Image.fromarray(_draw(item, image_format, metadata)), path)
            pictures.append(path)
    return pictures


def _draw(item: dict, image_format: str, metadata: Metadata) -> np.ndarray:
    """One picture, (H, W, 3) RGB, of an item that detectron2's mapper gives."""
    image = convert_image_to_rgb(item["image"].permute(1, 2, 0).numpy(), image_format)
    scale = max(1.0, _SIDE / max(image.shape[:2]))
    panels = []
    if "instances" in item:
        panels.append(_draw_objects(Visualizer(image, metadata, scale), item["instances"]))
    if "sem_seg" in item:
        panels.append(Visualizer(image, metadata, scale).draw_sem_seg(item["sem_seg"], alpha=0.6))
    return np.hstack([panel.get_image() for panel in panels])


def _draw_objects(visualizer: Visualizer, objects: Instances) -> VisImage:
    names = visualizer.metadata.thing_classes
    palette = np.array(default_palette(len(names))) / 255
    classes, truth = objects.gt_classes.tolist(), objects.get_fields()
    return visualizer.overlay_instances(
        boxes=truth.get("gt_boxes"), masks=truth.get("gt_masks"),
        keypoints=truth.get("gt_keypoints"), labels=[names[c] for c in classes],
        assigned_colors=[tuple(palette[c]) for c in classes], alpha=0.4)
