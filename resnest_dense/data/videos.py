"""Videos frame by frame: read, drawn on, written with the same size and rate."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from resnest_dense.errors import ResNeStError, ResNeStValueError

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
        ResNeStError: a file that is no video, or no frame in it.
    """
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


def _annotate(video: cv2.VideoCapture, target: Path, annotate: Callable) -> int:
    size = [int(video.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
    rate = video.get(cv2.CAP_PROP_FPS) or _FALLBACK_RATE
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    if not writer.isOpened():
        raise ResNeStError(f"{target} cannot be written by this opencv.")
    head = json.dumps({"fps": rate, "width": size[0], "height": size[1]})
    count = 0
    try:
        with open(target.with_suffix(".json"), "w", encoding="utf-8") as file:
            file.write(head[:-1] + ', "frames": [')
            while (read := video.read())[0]:
                drawn, found = annotate(np.ascontiguousarray(read[1][:, :, ::-1]))
                writer.write(np.ascontiguousarray(drawn[:, :, ::-1]))
                file.write(",\n" * bool(count) + json.dumps({"frame": count, "found": found}))
                count += 1
            file.write("]}\n")
    finally:
        writer.release()
    return count
