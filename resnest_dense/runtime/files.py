"""What an exported model finds in images and videos, written as ``resnest-dense predict`` does."""

import json
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from resnest_dense.data.media import annotate_video, read_rgb, unique_stems
from resnest_dense.runtime.contract import Classes
from resnest_dense.runtime.draw import draw_found
from resnest_dense.runtime.results import Labels, Segments
from resnest_dense.runtime.runner import Runner

__all__ = ["ExportedPredictor", "panoptic_json", "write_segments"]


class ExportedPredictor:
    """An exported model that writes what it finds; arguments and errors are those of
    :class:`Runner`."""

    def __init__(self, path: str | Path, *, device: str | None = None, threshold: float = 0.5):
        self.run = Runner(path, device=device, threshold=threshold)
        self.classes = self.run.contract.classes
        self.written = ("pictures and detections.json" if self.run.contract.detects
                        else "labels and overlays")

    def write(self, images: Iterable[str | Path], out: str | Path) -> list[dict]:
        """Writes what is found in image files into the folder ``out``.

        A detector gives of an image ``a.jpg`` the picture ``a.png``, of all ``detections.json``,
        whose entries are returned, and if it is panoptic ``panoptic.json`` and
        ``panoptic/a.png``; a segmentor ``labels/a.png`` and ``overlays/a.png``.

        Raises:
            ResNeStValueError: a file that is no image, or two images with the same stem.
        """
        folder, paths = Path(out), [Path(image) for image in images]
        results: list[dict] = []
        segments: list[dict] = []
        for number, (path, stem) in enumerate(zip(paths, unique_stems(paths)), start=1):
            image = read_rgb(path)
            found = self.run(image)
            picture = draw_found(image, found, self.classes)
            if isinstance(found, Labels):
                values = np.array(self.classes.ids, np.uint8)[found.pixels]
                _save(Image.fromarray(values), folder / "labels" / f"{stem}.png")
                _save(picture, folder / "overlays" / f"{stem}.png")
                continue
            _save(picture, folder / f"{stem}.png")
            results += [{"file_name": path.name, **one}
                        for one in found.coco(self.classes, number)]
            if found.segments is not None:
                segments.append(write_segments(found.segments, self.classes, number,
                                               folder / "panoptic" / f"{stem}.png"))
        if self.run.contract.detects:
            (folder / "detections.json").write_text(json.dumps(results))
        if segments:
            (folder / "panoptic.json").write_text(
                json.dumps(panoptic_json(paths, segments, self.classes)))
        return results

    def annotate(self, video: Path, out: str | Path) -> int:
        """Writes what is found in each frame of a video, of which it returns the number: the two
        files of :func:`resnest_dense.data.media.annotate_video`; ``found`` in its JSON is a list of
        COCO-format results, ``image_id`` the number of the frame, or the share of the frame's
        pixels that each class has.

        Raises:
            ResNeStError: a file that is no video, or no OpenCV to read it.
        """
        numbers = count()

        def annotate(frame: np.ndarray) -> tuple[np.ndarray, object]:
            found = self.run(frame)
            kept = (found.shares(self.classes) if isinstance(found, Labels)
                    else found.coco(self.classes, next(numbers)))
            drawn = np.asarray(draw_found(frame, found, self.classes, enlarge=False))
            return drawn[:frame.shape[0], :frame.shape[1]], kept  # without the legend

        return annotate_video(video, Path(out), annotate)


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def write_segments(segments: Segments, classes: Classes, number: int, path: Path) -> dict:
    """Writes a panoptic PNG, and returns its entry in ``annotations`` of COCO's format."""
    coded = np.stack([segments.ids // 256 ** i % 256 for i in range(3)], axis=2)
    _save(Image.fromarray(coded.astype(np.uint8)), path)  # id = R + 256 G + 65536 B
    return {"image_id": number, "file_name": path.name, "segments_info": segments.coco(classes)}


def panoptic_json(paths: Sequence[Path], annotations: list[dict], classes: Classes) -> dict:
    """COCO's panoptic format, of images numbered from 1 on."""
    things = [(i, name, 1) for i, name in zip(classes.ids, classes.names)]
    stuff = [(i, name, 0) for i, name in zip(classes.stuff_ids, classes.stuff_names)][1:]
    return {"images": [{"id": i, "file_name": path.name} for i, path in enumerate(paths, start=1)],
            "annotations": annotations,
            "categories": [{"id": i, "name": name, "isthing": kind}
                           for i, name, kind in things + stuff]}
