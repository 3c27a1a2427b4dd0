"""Images that are nearly the same: copies, frames of one video, augmented versions of one photo."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from resnest_dense.base.progress import progress

__all__ = ["fingerprint", "group_alike"]

_SIDE = 16  # of the fingerprint; 256 bits
# Bits that may differ. Any two of 364 photos through one microscope (BCCD) differ in 86 and more,
# but for one field in another focus (21); a photo and itself in JPEG of quality 30, at half the
# size, or with a gain of 1.2 in 14 at most; frames of a drive a second apart (CamVid) in 11 to 30.
_NEAR = 24
_BLOCK = 256  # images compared with all others at once: 120 MB of 118,000
_THREADS = 8
# video_frame_0012, video_mp4-12 (Roboflow), clip.mov.000012; Roboflow's versions of one photo.
_FRAME = re.compile(r"(.+?)(?:[_.-]?frame[_-]?\d+|[_.](?:mp4|avi|mov|mkv|webm)[_.-]\d+)", re.I)
_VERSION = re.compile(r"(.+)\.rf\.[0-9a-z]+", re.I)


def fingerprint(path: Path) -> np.ndarray | None:
    """A difference hash of an image, (256,) bool: where its grey, in cells of 17 x 16, rises to the
    right. None for a file that cannot be read.

    The idea is Neal Krawetz's ("Kind of like that", 2013), as in the library imagehash.
    """
    try:
        with Image.open(path) as picture:
            picture.draft("L", (4 * _SIDE, 4 * _SIDE))
            grey = picture.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS)
    except Exception:  # each of Pillow's decoders raises its own
        return None
    values = np.asarray(grey).astype(int)
    return np.asarray(values[:, 1:] > values[:, :-1]).ravel()


def group_alike(paths: Sequence[Path], names: Sequence[str]) -> np.ndarray:
    """A group number for each image, (N,): the same for those that are nearly the same.

    Args:
        paths: of the files.
        names: with the folders below the one that is converted.
    """
    group = np.arange(len(paths))
    by_source: dict[str, int] = {}
    for place, name in enumerate(names):
        source = _source_of(name)
        if source:
            _join(group, by_source.setdefault(source, place), place)
    with ThreadPoolExecutor(_THREADS) as pool:
        prints = list(progress(pool.map(fingerprint, paths), "images", total=len(paths)))
    readable = np.array([place for place, bits in enumerate(prints) if bits is not None], int)
    signs = np.array([prints[place] for place in readable], np.float32).reshape(-1, _SIDE**2)
    signs = 2 * signs - 1
    for start in range(0, len(readable), _BLOCK):
        apart = (_SIDE**2 - signs[start:start + _BLOCK] @ signs.T) / 2
        for one, other in np.argwhere(apart <= _NEAR):
            if start + one < other:
                _join(group, readable[start + one], readable[other])
    return np.array([_root(group, place) for place in range(len(group))], int)


def _source_of(name: str) -> str:
    """The video or photo that an image is of, by its name; "" where the name does not say."""
    path = Path(name)
    stem, source = path.stem, ""
    if version := _VERSION.fullmatch(stem):
        stem = source = version[1].removesuffix("_jpg").removesuffix("_png").removesuffix("_jpeg")
    if frame := _FRAME.fullmatch(stem):
        source = frame[1]
    elif re.fullmatch(r"frame[_-]?\d+", stem, re.I):
        source = path.parent.name or "frames"
    return source


def _root(group: np.ndarray, place: int) -> int:
    while group[place] != place:
        group[place] = group[group[place]]
        place = group[place]
    return int(place)


def _join(group: np.ndarray, one: int, other: int) -> None:
    first, second = sorted((_root(group, one), _root(group, other)))
    group[second] = first
