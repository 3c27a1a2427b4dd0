"""A trained detector on images: detections as COCO-format JSON, and pictures to look at."""

import json
from collections.abc import Iterable
from pathlib import Path

import detectron2.data.transforms as T
import numpy as np
import torch
from detectron2.data import MetadataCatalog
from detectron2.data.detection_utils import read_image
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.modeling import build_model
from detectron2.structures import Instances
from detectron2.utils.visualizer import Visualizer

from resnest_dense.configs import find_config
from resnest_dense.d2.classes import Classes, read_classes
from resnest_dense.d2.config import get_cfg
from resnest_dense.d2.loading import load_weights
from resnest_dense.errors import ResNeStError, ResNeStValueError

__all__ = ["DetectionPredictor", "write_detections"]


class DetectionPredictor:
    """A detector that is ready for images.

    Args:
        config: path of the config that it was trained with (``config.yaml`` in its ``OUTPUT_DIR``
            is complete), or the name of a shipped one.
        checkpoint: path, or a detector's name in the catalog.
        device: where it runs; a GPU if there is one, when None.
        threshold: least score of a detection.

    Raises:
        ResNeStError: no such config or checkpoint, a checkpoint of another network or without heads,
            or class names that are known nowhere.
    """

    def __init__(self, config: str | Path, checkpoint: str | Path, *, device: str | None = None,
                 threshold: float = 0.5):
        cfg = get_cfg()
        cfg.merge_from_file(str(find_config(str(config), "detectron2")))
        cfg.MODEL.DEVICE = device or ("cuda" if torch.cuda.is_available() else "cpu")
        cfg.MODEL.WEIGHTS = str(checkpoint)
        cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = cfg.MODEL.RETINANET.SCORE_THRESH_TEST = threshold
        self.classes = _find_classes(cfg, checkpoint)
        self.format = cfg.INPUT.FORMAT
        self.model = build_model(cfg).eval()
        load_weights(self.model, cfg, whole=True)
        self._resize = T.ResizeShortestEdge(
            [cfg.INPUT.MIN_SIZE_TEST] * 2, cfg.INPUT.MAX_SIZE_TEST)

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> Instances:
        """The detections, on the CPU, in an image (H, W, 3) uint8 in RGB."""
        height, width = image.shape[:2]
        if self.format == "BGR":
            image = image[:, :, ::-1]
        resized = self._resize.get_transform(image).apply_image(image)
        tensor = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1))).float()
        [output] = self.model([{"image": tensor, "height": height, "width": width}])
        return output["instances"].to("cpu")


def write_detections(predictor: DetectionPredictor, images: Iterable[str | Path],
                     out: str | Path) -> list[dict]:
    """Detects in images and writes what was found.

    Args:
        predictor: the detector.
        images: files.
        out: folder; an image ``a.jpg`` gives the picture ``a.png``, and all give
            ``detections.json``: COCO-format results with ``file_name`` beside ``image_id``.

    Returns:
        The entries of ``detections.json``.

    Raises:
        ResNeStValueError: a file that is no image, or two images with the same stem.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    results, stems = [], set()
    for number, path in enumerate(map(Path, images), start=1):
        if path.stem in stems:
            raise ResNeStValueError(f"{path}: another image is called {path.stem!r} too.")
        stems.add(path.stem)
        try:
            image = read_image(str(path), format="RGB")
        except OSError as error:
            raise ResNeStValueError(f"{path} is no image that can be read: {error}") from error
        found = predictor(image)
        for entry in instances_to_coco_json(found, number):
            entry["category_id"] = predictor.classes.ids[entry["category_id"]]
            results.append({"file_name": path.name, **entry})
        metadata = predictor.classes.metadata()
        picture = Visualizer(image, metadata, scale=_scale(image)).draw_instance_predictions(found)
        picture.save(str(out / f"{path.stem}.png"))
    (out / "detections.json").write_text(json.dumps(results))
    return results


def _scale(image: np.ndarray) -> float:
    # Labels have a size in pixels, so small images are drawn larger.
    return max(1.0, 480 / max(image.shape[:2]))


def _find_classes(cfg, checkpoint) -> Classes:
    if (saved := read_classes(Path(checkpoint).parent)) is not None:
        return saved
    for name in (*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN):
        names = MetadataCatalog.get(name).get("thing_classes")
        if names:
            ids = MetadataCatalog.get(name).thing_dataset_id_to_contiguous_id
            return Classes(tuple(sorted(ids, key=ids.get)), tuple(names))
    raise ResNeStError(
        f"The class names of {checkpoint} are unknown: there is no classes.json beside it, and the "
        f"config's data sets {list(cfg.DATASETS.TEST)} are not registered."
    )
