"""The files of a folder to convert: its images found by the names that annotations give them."""

import unicodedata
from functools import cached_property
from pathlib import Path, PurePosixPath

from resnest_dense.data.convert.record import SPLITS, ConversionReport
from resnest_dense.data.image_files import look_at
from resnest_dense.data.labels.folder import IMAGE_SUFFIXES
from resnest_dense.errors import ResNeStValueError

__all__ = ["Folder", "split_named"]


class Folder:
    """A folder with all below it, but for names that begin with a dot."""

    def __init__(self, root: str | Path, report: ConversionReport) -> None:
        self.root = Path(root)
        self.report = report
        if not self.root.is_dir():
            raise ResNeStValueError(f"No folder {root}.")
        self.files = sorted(path for path in self.root.rglob("*") if path.is_file() and not any(
            part.startswith(".") for part in path.relative_to(self.root).parts))

    def ending(self, *suffixes: str) -> list[Path]:
        """The files with one of the suffixes."""
        return [path for path in self.files if path.suffix.lower() in suffixes]

    @cached_property
    def images(self) -> list[Path]:
        return self.ending(*IMAGE_SUFFIXES)

    def image(self, name: str, source: Path) -> Path | None:
        """The image that the annotation file ``source`` calls ``name``; its folders count where
        several have the name. Where there is not exactly one, that is reported.
        """
        parts = PurePosixPath(_plain(name.replace("\\", "/"))).parts
        found = self._by_name.get(parts[-1] if parts else "", [])
        found = found or self._by_stem.get(_plain(source.stem), [])
        return self._nearest(found, parts, name, source)

    def image_of(self, source: Path) -> Path | None:
        """The image with the name of an annotation file, but for the suffix."""
        return self._nearest(self._by_stem.get(_plain(source.stem), []), (), source.stem, source)

    def has_image(self, stem: str) -> bool:
        return _plain(stem) in self._by_stem

    def size_of(self, image: Path, width: object = 0, height: object = 0
                ) -> tuple[int, int] | None:
        """Width and height as an annotation states them, or of the image as it is read; None, and a
        finding, if it cannot be."""
        if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0:
            return width, height
        try:
            return look_at(image).size
        except (ResNeStValueError, FileNotFoundError) as error:
            self.report.add("image-broken", f"{self.shown(image)}: {error}")
            return None

    def shown(self, path: Path) -> str:
        """A path in messages."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(
            path)

    def split_of(self, path: Path) -> str:
        """The split that a folder above a file is named after, "" for none."""
        parts = path.relative_to(self.root).parts[:-1]
        return next((split for part in reversed(parts) if (split := split_named(part))), "")

    def declared(self) -> dict[str, str]:
        """The splits that folders are named after, with the first such folder."""
        found: dict[str, str] = {}
        for path in sorted(self.root.rglob("*")):
            if path.is_dir() and (split := split_named(path.name)):
                found.setdefault(split, self.shown(path))
        return found

    def _nearest(self, found: list[Path], parts: tuple[str, ...], name: str,
                 source: Path) -> Path | None:
        def rank(path: Path) -> tuple[int, int, bool]:
            own = [_plain(part) for part in path.relative_to(self.root).parts]
            same = 0
            while same < min(len(own), len(parts)) and own[-1 - same] == parts[-1 - same]:
                same += 1
            near = {*own[:-1]} & {_plain(part) for part in source.relative_to(self.root).parts}
            return same, len(near), path.parent == source.parent

        best = sorted(found, key=rank)[-2:]
        if not best:
            self.report.add("image-missing", f"{name!r} of {self.shown(source)}")
        elif len(best) == 2 and rank(best[0]) == rank(best[1]):
            self.report.add("image-ambiguous", f"{name!r} of {self.shown(source)}: "
                            f"{' or '.join(map(self.shown, best))}")
            return None
        return best[-1] if best else None

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        return _grouped(self.images, stem=False)

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        return _grouped(self.images, stem=True)


def split_named(word: str) -> str:
    """The split that a word stands for ("valid", "train2017"), "" for none."""
    word = word.lower().rstrip("0123456789")
    if word in ("valid", "validation", "training", "testing"):
        word = word[:3] if word.startswith("val") else word[:-3]
    return word if word in SPLITS else ""


def _grouped(paths: list[Path], *, stem: bool) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(_plain(path.stem if stem else path.name), []).append(path)
    return groups


def _plain(name: str) -> str:
    # macOS takes accents apart; Windows does not tell A from a.
    return unicodedata.normalize("NFC", name).lower()
