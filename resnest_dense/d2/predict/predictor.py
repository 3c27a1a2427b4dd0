"""A trained detector on images, whichever kind of config it was trained with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.data import MetadataCatalog
from detectron2.data.transforms import AugInput

from resnest_dense.d2.data.classes import Classes, read_classes
from resnest_dense.d2.predict.detector import Detector, build_detector, load_detector
from resnest_dense.errors import ResNeStError, ResNeStValueError

__all__ = ["DetectionPredictor"]

# Where detectron2's models keep the least score of what they put out.
_THRESHOLDS = ("test_score_thresh", "combine_instances_score_thresh")


class DetectionPredictor:
    """A detector that is ready for images: boxes, masks, keypoints, panoptic segments.

    Args:
        config: a YAML config or a LazyConfig: the path of what it was trained with (``config.yaml``
            in its output folder is complete), or the name of a shipped one.
        checkpoint: path, address, or a detector's name in the catalog; the config's when None.
        device: where it runs; a GPU if there is one, when None.
        threshold: least score of a detection, 0 to 1.
        classes: file with the classes (``classes.json`` or COCO format); when None, the one beside
            the checkpoint, or else those of the data set that the config names.
        overrides: of the config, see :func:`resnest_dense.d2.predict.detector.build_detector`.

    Raises:
        ResNeStError: no such config or checkpoint, a checkpoint of another network or of a backbone
            alone, or class names that are known nowhere or of another number.
    """

    def __init__(self, config: str | Path, checkpoint: str | Path | None = None, *,
                 device: str | None = None, threshold: float = 0.5,
                 classes: str | Path | None = None, overrides: Sequence[str] = ()):
        if not 0 <= threshold <= 1:
            raise ResNeStValueError(f"threshold={threshold}: use a number from 0 to 1.")
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        detector = build_detector(config, overrides=overrides, device=device)
        checkpoint = str(checkpoint or detector.weights)
        if not checkpoint:
            raise ResNeStError(f"{detector.config} names no weights: give a checkpoint.")
        self.model = detector.model
        load_detector(detector, checkpoint)
        self.format = detector.image_format
        self.classes = _find_classes(detector, checkpoint, classes)
        self._augmentations = detector.augmentations
        for module in self.model.modules():
            for name in _THRESHOLDS:
                if hasattr(module, name):
                    setattr(module, name, threshold)

    @torch.no_grad()  # detectron2's results in JSON change keypoints in place
    def __call__(self, image: np.ndarray) -> dict[str, Any]:
        """What detectron2's own predictor returns, on the CPU: "instances", and of a panoptic model
        "sem_seg" and "panoptic_seg" too.

        Args:
            image: uint8 in RGB, (H, W, 3); grey (H, W) and RGBA (H, W, 4) do as well.
        """
        image = _as_rgb(image)
        height, width = image.shape[:2]
        inputs = AugInput(image[:, :, ::-1] if self.format == "BGR" else image)
        self._augmentations(inputs)
        tensor = torch.from_numpy(np.ascontiguousarray(inputs.image.transpose(2, 0, 1))).float()
        [outputs] = self.model([{"image": tensor, "height": height, "width": width}])
        return {key: _to_cpu(value) for key, value in outputs.items()}


def _as_rgb(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8 and image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] in (3, 4) and image.size:
        return image[:, :, :3]
    raise ResNeStValueError(
        f"An image of shape {image.shape} and type {image.dtype}: give (H, W, 3) in uint8.")


def _to_cpu(value: Any) -> Any:
    if isinstance(value, tuple):  # panoptic_seg: the map of segments, and what each is
        return value[0].to("cpu"), value[1]
    return value.to("cpu")


def _find_classes(detector: Detector, checkpoint: str, file: str | Path | None) -> Classes:
    found = read_classes(file or Path(checkpoint).absolute().parent)
    for name in detector.datasets:
        metadata = MetadataCatalog.get(name)
        if found is None and metadata.get("thing_classes"):
            found = Classes.from_metadata(metadata)
    if found is None:
        raise ResNeStError(
            f"The class names of {checkpoint} are unknown: there is no classes.json beside it, and "
            f"the config's data sets {list(detector.datasets)} are not registered. Name a "
            "COCO-format file of the data by --classes.")
    head = getattr(detector.model, "roi_heads", detector.model)
    if getattr(head, "num_classes", len(found.names)) != len(found.names):
        raise ResNeStError(
            f"{checkpoint} detects {head.num_classes} classes, and there are {len(found.names)} "
            f"names ({', '.join(found.names[:3])}, ...). Name a COCO-format file of the data by "
            "--classes.")
    return found
