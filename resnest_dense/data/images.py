"""The image files that a user names: files, folders, patterns."""

from collections.abc import Iterable
from glob import glob
from pathlib import Path

from PIL import Image

from resnest_dense.errors import ResNeStValueError

__all__ = ["find_images"]


def find_images(sources: Iterable[str | Path]) -> list[Path]:
    """The images among files, folders (their direct contents) and glob patterns, in order.

    Raises:
        ResNeStValueError: a source without an image in it.
    """
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found: dict[Path, None] = {}
    for source in map(str, sources):
        if Path(source).is_dir():
            paths = [p for p in sorted(Path(source).iterdir()) if p.suffix.lower() in endings]
        elif Path(source).is_file():
            paths = [Path(source)]
        else:
            paths = sorted(p for p in map(Path, glob(source)) if p.suffix.lower() in endings)
        if not paths:
            raise ResNeStValueError(f"{source}: no image there; name a file, a folder or a pattern.")
        found.update(dict.fromkeys(paths))
    return list(found)
