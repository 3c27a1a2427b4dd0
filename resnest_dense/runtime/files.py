"""What an exported model finds in images and videos, written as ``resnest-dense predict`` does."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from resnest_dense.data.detections import Described, open_detections
from resnest_dense.data.inputs import ImageFile
from resnest_dense.data.media import annotate_video
from resnest_dense.data.results import WriteFound, save_picture
from resnest_dense.runtime.draw import draw_found
from resnest_dense.runtime.results import Detections, Labels
from resnest_dense.runtime.runner import Runner

__all__ = ["ExportedPredictor"]


class ExportedPredictor:
    """An exported model as the command ``predict`` takes it; arguments and errors are those of
    :class:`Runner`."""

    def __init__(self, path: str | Path, *, device: str | None = None, threshold: float = 0.5):
        self.run = Runner(path, device=device, threshold=threshold)
        self._classes = self.run.contract.classes
        self.written = ("pictures and detections.json" if self.run.contract.detects
                        else "labels and overlays")

    def open_results(self, out: str | Path) -> AbstractContextManager[WriteFound]:
        """A function that writes what ``run`` found in an image: see :func:`open_detections`; a
        segmentor gives ``labels/a.png`` and ``overlays/a.png``."""
        if self.run.contract.detects:
            return open_detections(self._classes, out, self._describe)
        return self._open_labels(Path(out))

    def annotate(self, video: str | Path, out: str | Path) -> int:
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
            kept = (found.shares(self._classes) if isinstance(found, Labels)
                    else found.coco(self._classes, next(numbers)))
            drawn = np.asarray(draw_found(frame, found, self._classes, enlarge=False))
            return drawn[:frame.shape[0], :frame.shape[1]], kept  # without the legend

        return annotate_video(Path(video), Path(out), annotate)

    def _describe(self, found: Detections, image: np.ndarray, number: int) -> Described:
        return Described(draw_found(image, found, self._classes),
                         found.coco(self._classes, number), found.segments)

    @contextmanager
    def _open_labels(self, folder: Path) -> Iterator[WriteFound]:
        def write(found: Labels, image: np.ndarray, file: ImageFile, number: int) -> None:
            name, values = f"{file.stem}.png", np.array(self._classes.ids, np.uint8)
            save_picture(Image.fromarray(values[found.pixels]), folder / "labels" / name)
            save_picture(draw_found(image, found, self._classes), folder / "overlays" / name)

        yield write
