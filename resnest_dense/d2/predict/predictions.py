"""What a detector finds, written: pictures to look at, and JSON in COCO's formats."""

import itertools
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.utils.video_visualizer import VideoVisualizer
from detectron2.utils.visualizer import VisImage, Visualizer
from PIL import Image

from resnest_dense.d2.classes import Classes
from resnest_dense.d2.predict.predictor import DetectionPredictor
from resnest_dense.data.detections import Described, open_detections
from resnest_dense.data.media import annotate_video
from resnest_dense.data.results import WriteFound

__all__ = ["annotate_detections", "open_results"]


def open_results(classes: Classes, out: str | Path) -> AbstractContextManager[WriteFound]:
    """See :func:`resnest_dense.data.detections.open_detections`."""

    def describe(outputs: dict[str, Any], image: np.ndarray, number: int) -> Described:
        picture = Image.fromarray(_draw(image, outputs, classes).get_image())
        ids, infos = outputs.get("panoptic_seg", (None, []))
        return Described(picture, _found(outputs, classes, number),
                         None if ids is None else (ids.numpy(), infos))

    return open_detections(classes, out, describe)


def annotate_detections(predictor: DetectionPredictor, video: str | Path, out: str | Path) -> int:
    """Detects in each frame of a video, of which it returns the number; the same object keeps its
    colour from frame to frame.

    Writes the two files of :func:`resnest_dense.data.media.annotate_video` into the folder ``out``;
    ``found`` in its JSON is a list of COCO-format results, ``image_id`` the number of the frame.

    Raises:
        ResNeStError: a file that is no video.
    """
    visualizer = VideoVisualizer(predictor.classes.metadata())
    numbers = itertools.count()

    def annotate(frame: np.ndarray) -> tuple[np.ndarray, list[dict]]:
        outputs = predictor(frame)
        drawn = (visualizer.draw_panoptic_seg_predictions(frame, *outputs["panoptic_seg"])
                 if "panoptic_seg" in outputs
                 else visualizer.draw_instance_predictions(frame, outputs["instances"]))
        return drawn.get_image(), _found(outputs, predictor.classes, next(numbers))

    return annotate_video(Path(video), Path(out), annotate)


def _draw(image: np.ndarray, outputs: dict[str, Any], classes: Classes) -> VisImage:
    # Labels have a size in pixels, so small images are drawn larger.
    visualizer = Visualizer(image, classes.metadata(), scale=max(1.0, 480 / max(image.shape[:2])))
    if "panoptic_seg" in outputs:
        return visualizer.draw_panoptic_seg(*outputs["panoptic_seg"])
    return visualizer.draw_instance_predictions(outputs["instances"])


def _found(outputs: dict[str, Any], classes: Classes, number: int) -> list[dict]:
    return [{**entry, "category_id": classes.ids[entry["category_id"]]}
            for entry in instances_to_coco_json(outputs["instances"], number)]
