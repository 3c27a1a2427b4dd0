"""The images and videos that a user names: found, and videos drawn on frame by frame."""

import json
from collections.abc import Callable, Iterable, Sequence
from glob import glob
from pathlib import Path

import numpy as np
from PIL import Image

from resnest_dense.errors import ResNeStError, ResNeStValueError

try:
    import cv2  # comes with either framework; images are found and read without it
except ImportError:
    cv2 = None  # type: ignore[assignment]

__all__ = ["annotate_video", "find_images", "split_videos", "unique_stems"]

_VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
_FALLBACK_RATE = 25.0  # frames a second, for files that do not say


def find_images(sources: Iterable[str | Path]) -> list[Path]:
    """The images among files, folders (their direct contents) and glob patterns, in order.

    Raises:
        ResNeStValueError: a source without an image in it.
    """
    endings = {ending for ending, kind in Image.registered_extensions().items()
               if kind in Image.OPEN and ending not in _VIDEOS}
    found: dict[Path, None] = {}
    for source in map(str, sources):
        if Path(source).is_file():
            paths = [Path(source)]
        else:
            is_folder = Path(source).is_dir()
            there = Path(source).iterdir() if is_folder else map(Path, glob(source, recursive=True))
            paths = sorted(path for path in there if path.suffix.lower() in endings)
        if not paths:
            raise ResNeStValueError(
                f"{source}: no image there; name a file, a folder or a pattern.")
        found.update(dict.fromkeys(paths))
    return list(found)


def split_videos(sources: Iterable[str]) -> tuple[list[str], list[Path]]:
    """What is not a video by its suffix, and the videos (of patterns, those that they fit).

    Raises:
        ResNeStValueError: a video that does not exist.
    """
    others, videos = [], []
    for source in sources:
        if Path(source).suffix.lower() not in _VIDEOS:
            others.append(source)
            continue
        found = [Path(source)] if Path(source).is_file() else sorted(map(Path, glob(source)))
        if not found:
            raise ResNeStValueError(f"{source}: no video there.")
        videos += found
    return others, videos


def unique_stems(paths: Sequence[Path]) -> list[str]:
    """The names without suffix, under which what belongs to each file is written.

    Raises:
        ResNeStValueError: two files with the same one.
    """
    seen: dict[str, Path] = {}
    for path in paths:
        if path.stem in seen:
            raise ResNeStValueError(f"{path} and {seen[path.stem]} would be written to the same "
                                    f"{path.stem}.png: give them one at a time, or rename one.")
        seen[path.stem] = path
    return list(seen)


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
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
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
