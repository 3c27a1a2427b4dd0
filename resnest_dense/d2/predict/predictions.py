"""What a detector finds, written: pictures to look at, and JSON in COCO's formats."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.utils.video_visualizer import VideoVisualizer
from detectron2.utils.visualizer import VisImage, Visualizer
from PIL import Image
from torch import Tensor

from resnest_dense.d2.data.classes import Classes
from resnest_dense.d2.predict.predictor import DetectionPredictor
from resnest_dense.data.inputs import ImageFile
from resnest_dense.data.media import annotate_video
from resnest_dense.data.results import JsonList, WriteFound, save_picture

__all__ = ["annotate_detections", "open_results"]


@contextmanager
def open_results(classes: Classes, out: str | Path) -> Iterator[WriteFound]:
    """A function that writes what was found in an image into the folder ``out``: an image ``a.jpg``
    gives the picture ``a.png``, and all give ``detections.json``, a list of COCO-format results
    with ``file_name`` beside ``image_id``. A panoptic model also gives ``panoptic.json`` and
    ``panoptic/a.png`` in COCO's format.
    """
    folder = Path(out)
    results = JsonList(folder / "detections.json")
    panoptic: list[JsonList] = []  # one, once there is a panoptic output
    names: list[dict] = []

    def write(outputs: dict[str, Any], image: np.ndarray, file: ImageFile, number: int) -> None:
        picture = _draw(image, outputs, classes).get_image()
        save_picture(Image.fromarray(picture), folder / f"{file.stem}.png")
        results.add({"file_name": file.name, **entry}
                    for entry in _found(outputs, classes, number))
        if "panoptic_seg" in outputs:
            if not panoptic:
                panoptic.append(JsonList(folder / "panoptic.json", '{"annotations": ['))
            panoptic[0].add([_write_segments(outputs["panoptic_seg"], classes, number, folder,
                                             f"{file.stem}.png")])
            names.append({"id": number, "file_name": file.name})

    try:
        yield write
    finally:
        results.close()
        for entries in panoptic:
            about = {"images": names, "categories": _categories(classes)}
            entries.close(f"\n], {json.dumps(about)[1:]}\n")


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


def _write_segments(panoptic: tuple[Tensor, list[dict]], classes: Classes, number: int,
                    folder: Path, name: str) -> dict:
    segments, infos = panoptic[0].numpy(), panoptic[1]
    # COCO's coding: id = R + 256 G + 65536 B.
    coded = np.stack([segments // 256 ** i % 256 for i in range(3)], axis=2)
    save_picture(Image.fromarray(coded.astype(np.uint8)), folder / "panoptic" / name)
    return {"image_id": number, "file_name": name,
            "segments_info": [_segment(segments == info["id"], info, classes) for info in infos]}


def _segment(mask: np.ndarray, info: dict, classes: Classes) -> dict:
    ids = classes.ids if info["isthing"] else classes.stuff_ids
    score = {"score": info["score"]} if "score" in info else {}
    return {"id": info["id"], "category_id": ids[info["category_id"]], "area": int(mask.sum()),
            "bbox": list(cv2.boundingRect(mask.astype(np.uint8))), "iscrowd": 0, **score}


def _categories(classes: Classes) -> list[dict]:
    things = [(i, name, 1) for i, name in zip(classes.ids, classes.names)]
    stuff = [(i, name, 0) for i, name in zip(classes.stuff_ids, classes.stuff_names)][1:]
    return [{"id": i, "name": name, "isthing": kind} for i, name, kind in things + stuff]
