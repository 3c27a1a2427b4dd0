"""Videos drawn on frame by frame."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from resnest_dense.base.files import beside
from resnest_dense.base.progress import progress
from resnest_dense.errors import ResNeStError, ResNeStValueError

try:
    import cv2  # comes with either framework; images are read without it
except ImportError:
    cv2 = None  # type: ignore[assignment]

__all__ = ["annotate_video"]

_FALLBACK_RATE = 25.0  # frames a second, for files that do not say


def annotate_video(path: Path, out: Path,
                   annotate: Callable[[np.ndarray], tuple[np.ndarray, object]]) -> int:
    """Writes ``NAME.mp4``, each frame drawn on, and ``NAME.json``, what was found in each frame.

    The JSON has ``fps``, ``width``, ``height`` and ``frames``: a list of ``{"frame": n, "found":
    ...}`` from 0 on. Both files are written as the frames come, so a video may be of any length.

    Args:
        path: of the video.
        out: folder.
        annotate: frame (H, W, 3) uint8 in RGB -> the drawn frame of the same size, and what to keep
            of it in the JSON.

    Returns:
        The number of frames.

    Raises:
        ResNeStError: a file that is no video, no frame in it, or no OpenCV to read it.
    """
    if cv2 is None:
        raise ResNeStError(f"{path}: videos need OpenCV: pip install opencv-python.")
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise ResNeStValueError(f"{path} is no video that can be read.")
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{path.stem}.mp4"
    if target.resolve() == path.resolve():
        raise ResNeStValueError(f"{target} is the video itself: name another folder to write to.")
    try:
        count = _annotate(video, target, annotate)
    finally:
        video.release()
    if not count:
        raise ResNeStValueError(f"{path} has no frame that can be read.")
    return count


def _annotate(video: "cv2.VideoCapture", target: Path,
              annotate: Callable[[np.ndarray], tuple[np.ndarray, object]]) -> int:
    size = [int(video.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
    rate = video.get(cv2.CAP_PROP_FPS) or _FALLBACK_RATE
    head = json.dumps({"fps": rate, "width": size[0], "height": size[1]})
    count = 0
    # OpenCV chooses the format by the ending.
    with beside(target.with_suffix(".json")) as found_part, beside(target) as part:
        drawn_part = part.with_name(f".{target.name}")
        writer = cv2.VideoWriter(str(drawn_part), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
        if not writer.isOpened():
            raise ResNeStError(f"{target} cannot be written by this opencv.")
        try:
            with open(found_part, "w", encoding="utf-8") as file:
                file.write(head[:-1] + ', "frames": [')
                for frame in progress(_frames(video), "frames", total=_length(video)):
                    drawn, found = annotate(frame)
                    writer.write(np.ascontiguousarray(drawn[:, :, ::-1]))
                    file.write(",\n" * bool(count) + json.dumps({"frame": count, "found": found}))
                    count += 1
                file.write("]}\n")
        finally:
            writer.release()
            drawn_part.rename(part)
    return count


def _frames(video: "cv2.VideoCapture") -> Iterator[np.ndarray]:
    while (read := video.read())[0]:
        yield np.ascontiguousarray(read[1][:, :, ::-1])


def _length(video: "cv2.VideoCapture") -> int | None:
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))  # negative or 0 where unknown
    return count if count > 0 else None
