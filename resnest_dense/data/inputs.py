"""The images and videos that a user names, and the names of what belongs to each."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from PIL import Image

from resnest_dense.errors import ResNeStValueError

__all__ = ["VIDEOS", "ImageFile", "find_images", "split_videos"]

VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")


@dataclass(frozen=True)
class ImageFile:
    """An image, and what it is called in results."""

    path: Path
    name: str  # with the folders below the one that the user named: "b/001.jpg"

    @property
    def stem(self) -> str:
        """The name without suffix, under which what belongs to the image is written."""
        return self.name.removesuffix(Path(self.name).suffix)


def find_images(sources: Iterable[str | Path]) -> list[ImageFile]:
    """The images among files, folders (with those below them, as training reads them) and glob
    patterns, in order. Files and folders whose names begin with a dot are passed over.

    Raises:
        ResNeStValueError: a source without an image in it, or images whose results would be the
            same file.
    """
    endings = {ending for ending, kind in Image.registered_extensions().items()
               if kind in Image.OPEN and ending not in VIDEOS}
    found: dict[Path, str] = {}
    for source in map(str, sources):
        if Path(source).is_file():
            found[Path(source)] = Path(source).name
            continue
        root = _root_of(source)
        there = (root.rglob("*") if Path(source).is_dir()
                 else map(Path, glob(source, recursive=True)))
        names = {path: path.relative_to(root) for path in sorted(there)
                 if path.suffix.lower() in endings and path.is_file()}
        names = {path: name for path, name in names.items()
                 if not any(part.startswith(".") for part in name.parts)}
        if not names:
            raise ResNeStValueError(
                f"{source}: no image there; name a file, a folder or a pattern.")
        found.update((path, name.as_posix()) for path, name in names.items())
    return _with_own_names(found)


def _root_of(source: str) -> Path:
    """The folder that a folder is, or that a pattern's first wildcard is in."""
    parts = Path(source).parts
    plain = next((i for i, part in enumerate(parts) if has_magic(part)), len(parts))
    return Path(*parts[:plain])


def _with_own_names(found: dict[Path, str]) -> list[ImageFile]:
    if found and len({Path(name).with_suffix("") for name in found.values()}) < len(found):
        # Of several folders, whose names tell them apart.
        top = os.path.commonpath([path.absolute().parent for path in found])
        found = {path: path.absolute().relative_to(top).as_posix() for path in found}
    images = [ImageFile(path, name) for path, name in found.items()]
    seen: dict[str, Path] = {}
    for image in images:
        if image.stem in seen:
            raise ResNeStValueError(f"{image.path} and {seen[image.stem]} would be written to the "
                                    f"same {image.stem}.png: give them one at a time, or rename "
                                    "one.")
        seen[image.stem] = image.path
    return images


def split_videos(sources: Sequence[str]) -> tuple[list[str], list[Path]]:
    """What is not a video by its suffix, and the videos (of patterns, those that they fit).

    Raises:
        ResNeStValueError: a video that does not exist, or two whose results would be the same file.
    """
    others = [source for source in sources if Path(source).suffix.lower() not in VIDEOS]
    videos: list[Path] = []
    for source in [source for source in sources if source not in others]:
        found = [Path(source)] if Path(source).is_file() else sorted(map(Path, glob(source)))
        if not found:
            raise ResNeStValueError(f"{source}: no video there.")
        videos += found
    return others, list(dict.fromkeys(videos))
