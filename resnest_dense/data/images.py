"""The image and video files that a user names: files, folders, patterns."""

from collections.abc import Iterable, Sequence
from glob import glob
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from resnest_dense.errors import ResNeStValueError

__all__ = ["find_images", "read_rgb", "split_videos", "unique_stems"]

_VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")


def find_images(sources: Iterable[str | Path]) -> list[Path]:
    """The images among files, folders (their direct contents) and glob patterns, in order.

    Raises:
        ResNeStValueError: a source without an image in it.
    """
    endings = {ending for ending, kind in Image.registered_extensions().items()
               if kind in Image.OPEN and ending not in _VIDEOS}
    found: dict[Path, None] = {}
    for source in map(str, sources):
        if Path(source).is_dir():
            paths = [p for p in sorted(Path(source).iterdir()) if p.suffix.lower() in endings]
        elif Path(source).is_file():
            paths = [Path(source)]
        else:
            matches = sorted(map(Path, glob(source, recursive=True)))
            paths = [p for p in matches if p.suffix.lower() in endings]
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
            raise ResNeStValueError(
                f"{path} and {seen[path.stem]} would be written to the same {path.stem}.png: give "
                "them one at a time, or rename one."
            )
        seen[path.stem] = path
    return list(seen)


def read_rgb(path: Path) -> np.ndarray:
    """The image (H, W, 3) uint8 in RGB, turned as its camera says.

    Raises:
        ResNeStValueError: a file that is no image.
    """
    try:
        return np.array(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ResNeStValueError(f"{path} is no image that can be read: {error}") from error
