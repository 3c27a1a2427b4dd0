"""The checkpoints of a run in its folder: whole under their names, sealed, the newest kept."""

import logging
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resnest_dense.base.files import PART, beside
from resnest_dense.base.seal import is_as_sealed, seal
from resnest_dense.errors import ResNeStError, listed

__all__ = ["Checkpoints", "is_whole", "write_checkpoint"]

_logger = logging.getLogger(__name__)
_LAST = "last_checkpoint"  # names the one that both frameworks resume from


def write_checkpoint(content: Any, path: Path) -> None:
    """Writes ``content`` as ``torch.save`` does (bytes of such a file as they are), synced to the
    disk and with its digest before it has its name; or nothing is there.

    Raises:
        ResNeStError: the disk is full, the folder is gone, and the like.
    """
    try:
        if not path.parent.is_dir():
            raise FileNotFoundError(2, "the folder is gone")
        with beside(path, synced=True) as part:
            with open(part, "wb") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    torch.save(content, file)
            seal(part)
    except (OSError, RuntimeError) as error:
        cause: Any = error
        while cause and not isinstance(cause, OSError):  # torch's writer hides it behind its own
            cause = cause.__context__
        if cause is None:
            raise
        raise ResNeStError(f"{path} could not be written: {cause.strerror}. Checkpoints before it "
                           "are as they were: mend that, and give --resume.") from error


def is_whole(path: Path) -> bool:
    """Whether a checkpoint is as it was written: by its digest, or by the checksums of the archive
    where another program has written it."""
    try:
        sealed = is_as_sealed(path)
        if sealed is not None:
            return sealed
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        return False


@dataclass(frozen=True)
class Checkpoints:
    """Those of one run.

    Args:
        folder: of the run.
        names: matches their names; its group is the number of iterations or epochs, or "final".
    """

    folder: Path
    names: re.Pattern

    def find(self) -> list[Path]:
        """The one to resume from first, if it is whole, and then those to take in its place."""
        found = [path for _, path in sorted(self._numbered(), reverse=True)]
        note = self.folder / _LAST
        if note.is_file():
            named = Path(note.read_text().strip())
            named = self.folder / named.name if (self.folder / named.name).is_file() else named
            first = [named] if named.is_file() else []
        else:
            first = [path for path in self.folder.glob("*final.pth")
                     if self.names.fullmatch(path.name)]
        return [*first, *(path for path in found if path not in first)]

    def last_whole(self) -> Path:
        """The one to resume from; damaged ones are passed over with a line each.

        Raises:
            ResNeStError: there is none.
        """
        found = self.find()
        for number, path in enumerate(found):
            if is_whole(path):
                return path
            if number + 1 < len(found):
                _logger.warning("%s is damaged or cut off (%d bytes): %s is taken in its place.",
                                path, path.stat().st_size, found[number + 1].name)
        raise ResNeStError(f"{self.folder} has no checkpoint that is whole, but for damaged ones: "
                           f"{listed(path.name for path in found) or 'none'}. Start anew with "
                           "--overwrite, or put one there from a copy.")

    def note_last(self, path: Path, text: str = "") -> None:
        """Lets ``path`` be what a run resumes from, named by ``text`` (its name)."""
        with beside(self.folder / _LAST, synced=True) as part:
            part.write_text(text or path.name)

    def keep_newest(self, count: int, upto: Path) -> None:
        """Deletes all but ``count`` of those up to the one just written, ``upto``; what has a
        higher number is of a future that was given up, and is written again."""
        match = self.names.fullmatch(upto.name)
        if count < 1 or match is None or not match[1].isdigit():
            return
        older = sorted(found for found in self._numbered() if found[0] <= int(match[1]))
        for _, path in older[:-count]:
            path.unlink(missing_ok=True)

    def remove_parts(self) -> None:
        """Deletes what a killed process was writing."""
        for path in self.folder.glob(f"*.pth{PART}"):
            path.unlink(missing_ok=True)

    def _numbered(self) -> Iterator[tuple[int, Path]]:
        for path in self.folder.glob("*.pth"):
            match = self.names.fullmatch(path.name)
            if match and match[1].isdigit():
                yield int(match[1]), path
