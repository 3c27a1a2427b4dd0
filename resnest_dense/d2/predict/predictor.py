"""A trained detector on images, whichever of detectron2's kinds of config it was trained with."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import detectron2.data.transforms as T
import numpy as np
import torch
from detectron2.config import CfgNode, instantiate
from detectron2.data import MetadataCatalog
from detectron2.modeling import build_model
from omegaconf import DictConfig, OmegaConf
from torch import nn

from resnest_dense.analysis.machine import pick_device
from resnest_dense.base.runs import class_order
from resnest_dense.config_errors import explained
from resnest_dense.configs import find_any_config
from resnest_dense.d2.checkpointer import load_weights
from resnest_dense.d2.classes import Classes, read_classes, trained_classes
from resnest_dense.d2.config import get_cfg, load_lazy_config, load_yaml_config
from resnest_dense.errors import ResNeStError, ResNeStValueError, listed
from resnest_dense.published import find_experiment
from resnest_dense.runtime.images import as_rgb
from resnest_dense.weights import catalog, fetch

__all__ = ["DetectionPredictor", "Detector", "build_detector"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Detector:
    """A model and what its config says of the images that it is tested on."""

    config: Path
    model: nn.Module  # in eval mode, its weights random
    augmentations: T.AugmentationList  # what test images go through
    image_format: str  # their channels, "RGB" or "BGR"
    datasets: tuple[str, ...]  # names of the sets that it was to be tested and trained on
    weights: str  # what the config starts from; "" for nothing


def build_detector(config: str | Path, *, overrides: Sequence[str] = (),
                   device: str = "cpu") -> Detector:
    """The detector that a YAML config or a LazyConfig (``.py``, or the ``config.yaml`` that the
    stock lazy tool writes) describes.

    Args:
        config: a path, or the name of a shipped config.
        overrides: ``KEY VALUE`` words for a YAML config, ``key=value`` for a LazyConfig.
        device: where the model is built; "meta" gives shapes alone.

    Raises:
        ResNeStValueError: no such config, one of MMSegmentation, or one that cannot be used.
    """
    path, kind = find_any_config(config)
    if kind == "mmseg":
        raise ResNeStValueError(f"{path} is a config of MMSegmentation, not of a detector.")
    with explained(path):
        detector = (_from_yaml if kind == "yaml" else _from_lazy)(path, overrides, device)
    detector.model.eval()
    return detector


class DetectionPredictor:
    """A detector that is ready for images: boxes, masks, keypoints, panoptic segments.

    Args:
        config: a YAML config or a LazyConfig: the path of what it was trained with (``config.yaml``
            in its output folder is complete), or the name of a shipped one.
        checkpoint: path, address, or a detector's name in the catalog; the config's when None.
        device: where it runs; a GPU if there is one, when None.
        threshold: least score of a detection, 0 to 1; the config's when None.
        classes: file with the classes (``classes.json`` or COCO format); when None, the one beside
            the checkpoint, or else those of the data set that the config names.
        overrides: of the config, see :func:`build_detector`.

    Raises:
        ResNeStError: no such config or checkpoint, a checkpoint of another network or of a backbone
            alone, or class names that are known nowhere or of another number.
    """

    def __init__(self, config: str | Path, checkpoint: str | Path | None = None, *,
                 device: str | None = None, threshold: float | None = 0.5,
                 classes: str | Path | None = None, overrides: Sequence[str] = ()):
        if threshold is not None and not 0 <= threshold <= 1:
            raise ResNeStValueError(f"threshold={threshold}: use a number from 0 to 1.")
        device = pick_device(device)
        detector = build_detector(config, overrides=overrides, device=device)
        checkpoint = str(checkpoint or detector.weights)
        if not checkpoint:
            raise ResNeStError(f"{detector.config} names no weights: give a checkpoint.")
        self.model = detector.model
        _load(detector, checkpoint)
        self.format = detector.image_format
        if self.format not in ("RGB", "BGR"):
            raise ResNeStError(f"{detector.config} is for images in {self.format}; prediction "
                               "gives RGB and BGR alone.")
        self.classes = _find_classes(detector, checkpoint, classes)
        self.augmentations, self.datasets = detector.augmentations, detector.datasets
        for module in self.model.modules():
            # Where detectron2's models keep the least score of what they put out.
            for name in ("test_score_thresh", "combine_instances_score_thresh"):
                if threshold is not None and hasattr(module, name):
                    setattr(module, name, threshold)

    @torch.no_grad()  # detectron2's results in JSON change keypoints in place
    def __call__(self, image: np.ndarray) -> dict[str, Any]:
        """What detectron2's own predictor returns, on the CPU: "instances", and of a panoptic model
        "sem_seg" and "panoptic_seg" too.

        Args:
            image: uint8 in RGB, (H, W, 3); grey (H, W) and RGBA (H, W, 4) do as well.
        """
        image = as_rgb(image)
        height, width = image.shape[:2]
        inputs = T.AugInput(image[:, :, ::-1] if self.format == "BGR" else image)
        self.augmentations(inputs)
        tensor = torch.from_numpy(np.ascontiguousarray(inputs.image.transpose(2, 0, 1))).float()
        [outputs] = self.model([{"image": tensor, "height": height, "width": width}])
        # "panoptic_seg" is the map of segments, and what each is.
        return {key: (value[0].to("cpu"), value[1]) if key == "panoptic_seg" else value.to("cpu")
                for key, value in outputs.items()}


def _find_classes(detector: Detector, checkpoint: str, file: str | Path | None) -> Classes:
    trained = trained_classes(checkpoint)
    if file:
        found = read_classes(file)
        if trained and found and (order := class_order(
                trained.names, found.names, sides=(checkpoint, str(file)),
                remedy="Give the classes that it was trained on.")):
            _logger.warning("%s has the classes in another order than %s: mapped by name.",
                            checkpoint, file)
            found = found.ordered_as(trained.names, order)  # their ids are what is written
    else:  # A config may name COCO only because detectron2's defaults do.
        found = trained or next((
            Classes.from_metadata(metadata) for name in detector.datasets
            if (metadata := MetadataCatalog.get(name)).get("thing_classes")), None)
    if found is None:
        raise ResNeStError(f"The class names of {checkpoint} are unknown: there is no classes.json "
                           f"beside it, and none of the config's data sets "
                           f"({listed(detector.datasets)}) is registered. Name a COCO-format file "
                           "of the data by --classes.")
    head = getattr(detector.model, "roi_heads", detector.model)
    if getattr(head, "num_classes", len(found.names)) != len(found.names):
        raise ResNeStError(f"{checkpoint} detects {head.num_classes} classes, and there are "
                           f"{len(found.names)} names ({listed(found.names, most=3)}). Name a "
                           "COCO-format file of the data by --classes.")
    return found


def _load(detector: Detector, checkpoint: str) -> None:
    """Loads a checkpoint that has all of the detector: a backbone alone finds nothing, and neither
    does a head with another number of classes."""
    if checkpoint in catalog.names():
        checkpoint = str(fetch(checkpoint))  # of a plain ResNet too
    remedy = _suggest_pair(detector.config)
    try:
        report = load_weights(detector.model, checkpoint, remedy=remedy)
    except (OSError, AssertionError, RuntimeError, KeyError, UnpicklingError) as error:
        raise ResNeStError(f"{checkpoint!r} is no checkpoint that can be read: {error}") from error
    lacking = [*dict.fromkeys([*(one.name for one in report.mismatched), *report.missing])]
    if lacking:
        shapes = listed(report.mismatched, most=3, between="; ")
        raise ResNeStError(
            f"{checkpoint} is not a checkpoint of {detector.config.name}: it has nothing for "
            f"{len(lacking)} of the detector's weights: {listed(lacking, most=3)}"
            f"{' (' + shapes + ')' if shapes else ''}. {remedy}")


def _suggest_pair(config: Path) -> str:
    published = ""
    if entry := getattr(find_experiment(config.stem), "checkpoint", None):
        state = "its address was dead when last tried" if entry.dead else entry.addresses[0]
        published = f"{config.name} and {entry.name} ({state}), or "
    return (f"Give a config and the checkpoint trained with it: {published}config.yaml and "
            "model_final.pth of one OUTPUT_DIR.")


def _from_yaml(path: Path, overrides: Sequence[str], device: str) -> Detector:
    cfg = load_yaml_config(path, overrides)
    cfg.MODEL.DEVICE = device
    with torch.device(device):
        model = build_model(cfg)
    return Detector(path, model, T.AugmentationList(_test_resize(cfg)), cfg.INPUT.FORMAT,
                    (*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN), cfg.MODEL.WEIGHTS)


def _test_resize(cfg: CfgNode) -> list[T.Augmentation]:
    return [T.ResizeShortestEdge([cfg.INPUT.MIN_SIZE_TEST] * 2, cfg.INPUT.MAX_SIZE_TEST)]


def _from_lazy(path: Path, overrides: Sequence[str], device: str) -> Detector:
    cfg = load_lazy_config(path, overrides)
    if not isinstance(cfg.get("model"), DictConfig):
        raise ResNeStValueError(f"{path} has no 'model': a LazyConfig of a detector needs one.")
    with torch.device(device):
        model = instantiate(cfg.model).to(device)
    mapper = OmegaConf.select(cfg, "dataloader.test.mapper")
    names = [OmegaConf.select(cfg, f"dataloader.{split}.dataset.names") or ()
             for split in ("test", "train")]
    groups = [[group] if isinstance(group, str) else group for group in names]
    augmentations = instantiate(mapper.augmentations) if mapper else _test_resize(get_cfg())
    return Detector(
        path, model, T.AugmentationList(augmentations),
        mapper.image_format if mapper else model.input_format,
        tuple(name for group in groups for name in group),
        OmegaConf.select(cfg, "train.init_checkpoint") or "")
