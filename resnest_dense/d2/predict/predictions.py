"""What a detector finds, written: pictures to look at, and JSON in COCO's formats."""

import itertools
import json
from collections.abc import Iterable
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
from resnest_dense.data.images import read_rgb
from resnest_dense.data.media import annotate_video, unique_stems

__all__ = ["annotate_detections", "write_detections"]


def write_detections(predictor: DetectionPredictor, images: Iterable[str | Path],
                     out: str | Path) -> list[dict]:
    """Detects in image files and writes what was found into the folder ``out``: an image ``a.jpg``
    gives the picture ``a.png``, and all give ``detections.json``, whose entries are returned:
    COCO-format results with ``file_name`` beside ``image_id``. A panoptic model also gives
    ``panoptic.json`` and ``panoptic/a.png`` in COCO's format.

    Raises:
        ResNeStValueError: a file that is no image, or two images with the same stem.
    """
    folder, paths = Path(out), [Path(image) for image in images]
    stems = unique_stems(paths)
    folder.mkdir(parents=True, exist_ok=True)
    results, panoptic = [], []
    for number, (path, stem) in enumerate(zip(paths, stems), start=1):
        image = read_rgb(path)
        outputs = predictor(image)
        _draw(image, outputs, predictor.classes).save(str(folder / f"{stem}.png"))
        results += [{"file_name": path.name, **entry}
                    for entry in _found(outputs, predictor.classes, number)]
        if "panoptic_seg" in outputs:
            panoptic.append(_write_segments(outputs["panoptic_seg"], predictor.classes, number,
                                            folder / "panoptic" / f"{stem}.png"))
    (folder / "detections.json").write_text(json.dumps(results))
    if panoptic:
        names = [{"id": i, "file_name": path.name} for i, path in enumerate(paths, start=1)]
        (folder / "panoptic.json").write_text(json.dumps({
            "images": names, "annotations": panoptic,
            "categories": _categories(predictor.classes)}))
    return results


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
                    path: Path) -> dict:
    segments, infos = panoptic[0].numpy(), panoptic[1]
    path.parent.mkdir(exist_ok=True)
    # COCO's coding: id = R + 256 G + 65536 B.
    coded = np.stack([segments // 256 ** i % 256 for i in range(3)], axis=2)
    Image.fromarray(coded.astype(np.uint8)).save(path)
    return {"image_id": number, "file_name": path.name,
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
