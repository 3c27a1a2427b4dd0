"""The digests that a published hash may be the start of, and files checked against the catalog."""

import hashlib
import os
from pathlib import Path

from resnest_dense.errors import ResNeStError
from resnest_dense.weights import catalog
from resnest_dense.weights.catalog import Entry

__all__ = ["CHUNK", "Digests", "verify"]

CHUNK = 1 << 20

# Where the publisher does not say which digest it gives, any of these will do.
_KINDS = {"sha256": ("sha256",), "sha1": ("sha1",), "unstated": ("sha256", "sha1", "md5")}


class Digests:
    """Digests of one stream of bytes, computed together.

    Args:
        kind: "sha256", "sha1", or "unstated" for all that are in use.
    """

    def __init__(self, kind: str):
        self._digests = [hashlib.new(name) for name in _KINDS[kind]]

    def update(self, chunk: bytes) -> None:
        """Take the next bytes in."""
        for digest in self._digests:
            digest.update(chunk)

    def read(self, path: Path) -> "Digests":
        """Take a whole file in."""
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                self.update(chunk)
        return self

    def values(self) -> list[str]:
        """The digests so far, in hexadecimal."""
        return [digest.hexdigest() for digest in self._digests]

    def check(self, start: str) -> str | None:
        """What is wrong if none of the digests starts with ``start``, or None."""
        if any(value.startswith(start) for value in self.values()):
            return None
        return f"its hash should start with {start} and is {' or '.join(self.values())}"


def verify(path: str | os.PathLike) -> Entry:
    """The entry of the catalog that the file at ``path`` is, by its content.

    Raises:
        ResNeStError: no entry has its name or hash, no hash was published, or the hash differs.
    """
    path = Path(path)
    if not path.is_file():
        raise ResNeStError(f"There is no file {path}.")
    digests = Digests("unstated").read(path)
    entry = next(filter(None, map(catalog.find, (path.name, *digests.values()))), None)
    if entry is None:
        raise ResNeStError(
            f"{path}: the catalog has no file of this name or hash; its SHA-256 is "
            f"{digests.values()[0]}. It may be whole all the same, but nobody published its hash."
        )
    if entry.hash is None:
        raise ResNeStError(f"{path} cannot be checked: no hash of {entry.name} was published.")
    if wrong := digests.check(entry.hash):
        raise ResNeStError(f"{path} is not {entry.name}: {wrong}. Delete it and fetch it again.")
    return entry
