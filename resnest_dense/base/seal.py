"""The digest of an archive in its own comment: the file is read as ever, and a copy or rename takes
both along."""

import hashlib
from pathlib import Path

__all__ = ["digest_of", "is_as_sealed", "seal"]

_MARK = b"sha256:"
_COMMENT = len(_MARK) + 64
_CHUNK = 1 << 22


def seal(path: Path) -> None:
    """Gives a zip archive without a comment, as torch writes them, its SHA-256.

    Raises:
        ValueError: no such archive.
    """
    with open(path, "r+b") as file:
        end = file.seek(-2, 2)  # an archive ends with the length of its comment, so far 0
        if file.read() != b"\0\0":
            raise ValueError(f"{path} is no archive as torch writes them")
        digest = _digest(path, end)
        file.seek(end)
        file.write(_COMMENT.to_bytes(2, "little") + _MARK + digest)


def is_as_sealed(path: Path) -> bool | None:
    """Whether a file is as it was when it was sealed; None of one that has no seal."""
    end, kept = _read(path)
    return None if kept is None else _digest(path, end) == kept


def digest_of(path: Path) -> str:
    """The SHA-256 that a file was sealed with, or of all of one that has no seal."""
    _, kept = _read(path)
    return (kept or _digest(path, path.stat().st_size)).decode()


def _read(path: Path) -> tuple[int, bytes | None]:
    """The number of bytes under the seal of a file, and their digest in it; None without one."""
    with open(path, "rb") as file:
        end = file.seek(0, 2) - _COMMENT
        file.seek(max(end, 0))
        comment = file.read()
    return end - 2, comment[len(_MARK):] if comment.startswith(_MARK) else None


def _digest(path: Path, size: int) -> bytes:
    """Of the first ``size`` bytes of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0 and (chunk := file.read(min(_CHUNK, size))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest().encode()
