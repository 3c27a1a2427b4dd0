"""Weight files fetched to the local folder: checked, resumed, and never wrong under their name."""

import hashlib
import logging
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import torch
from filelock import FileLock

from resnest_dense.base.progress import counting
from resnest_dense.errors import ResNeStError
from resnest_dense.weights import catalog, transfer
from resnest_dense.weights.catalog import Entry
from resnest_dense.weights.transfer import AddressFailed, Digests, Progress

__all__ = ["fetch", "verify", "weights_dir"]

_FOLDER_VARIABLE = "RESNEST_DENSE_WEIGHTS_DIR"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Wanted:
    """A file to be had at the first of some addresses that gives it."""

    file: str
    addresses: tuple[str, ...]
    hash: str | None = None
    hash_kind: str = "unstated"
    dead: bool = False


def weights_dir() -> Path:
    """The folder of weight files: ``RESNEST_DENSE_WEIGHTS_DIR``, or else torch hub's."""
    folder = os.environ.get(_FOLDER_VARIABLE)
    return Path(folder) if folder else Path(torch.hub.get_dir(), "checkpoints")


def fetch(source: Entry | str, *, directory: str | os.PathLike | None = None,
          progress: Progress | None = None) -> Path:
    """The path of a published file, fetched if it is not there yet.

    The addresses are tried in order. What arrives is hashed on the way, resumed where it was cut
    off, and gets its name when it is whole and right. Processes that want the same file wait for
    the first.

    Args:
        source: an entry of the catalog, the name of one, or an address (http, https, file).
        directory: the folder of the file; None for :func:`weights_dir`.
        progress: called with the bytes so far and in all (None if unknown) after each piece; when
            None, a line on a terminal tells them.

    Raises:
        ResNeStValueError: a name that the catalog does not have.
        ResNeStError: no address gave the file, or it could not be written; the message lists every
            address with its reason, and says where to put the file by hand.
    """
    if isinstance(source, str) and source.startswith("file:"):
        local = Path(urllib.request.url2pathname(urlsplit(source).path))
        if not local.is_file():
            raise ResNeStError(f"{source}: there is no file {local}.")
        return local
    wanted = _wanted(source)
    folder = weights_dir() if directory is None else Path(directory)
    path = folder / wanted.file
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"), counting("B", scale=True) as tell:
            if not path.exists():
                _fetch(wanted, path, progress or tell)
    except OSError as error:
        raise ResNeStError(f"Writing {path} failed: {error}. Make room there, or name another "
                           f"folder in {_FOLDER_VARIABLE}; what arrived stays beside it and is "
                           "resumed.") from error
    return path


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
        raise ResNeStError(f"{path}: the catalog has no file of this name or hash; its SHA-256 is "
                           f"{digests.values()[0]}. It may be whole all the same, but nobody "
                           "published its hash.")
    if entry.hash is None:
        raise ResNeStError(f"{path} cannot be checked: no hash of {entry.name} was published.")
    if wrong := digests.check(entry.hash):
        raise ResNeStError(f"{path} is not {entry.name}: {wrong}. Delete it and fetch it again.")
    return entry


def _wanted(source: Entry | str) -> _Wanted:
    given, name = [], ""
    if isinstance(source, Entry):
        entry: Entry | None = source
    elif source in catalog.names() or "://" not in source:
        entry = catalog.get(source)
    else:
        given, name = [source], unquote(urlsplit(source).path).rpartition("/")[2]
        # PyTorch-Encoding's files are published in archives.
        unzipped = f"{name.removesuffix('.zip')}.pth"
        entry = catalog.find(name) or catalog.find(source) or catalog.find(unzipped)
    if entry is not None:
        addresses = tuple(dict.fromkeys([*given, *entry.addresses]))
        return _Wanted(entry.file, addresses, entry.hash, entry.hash_kind, entry.dead)
    if not name:
        raise ResNeStError(f"{source} names no file: give the address of a weight file.")
    # Many addresses end in the same word ("model.safetensors"), and the folder is one.
    digest = hashlib.sha256(str(source).encode()).hexdigest()[:8]
    return _Wanted(f"{digest}-{name}", tuple(given))


def _fetch(wanted: _Wanted, path: Path, progress: Progress) -> None:
    failures = []
    for address in wanted.addresses:
        _logger.info("Fetching %s to %s", address, path)
        try:
            os.replace(_try_address(address, path, wanted, progress), path)
        except AddressFailed as error:
            _logger.info("%s failed: %s", address, error)
            failures.append(f"  {address}: {error}")
            continue
        if wanted.hash is None:
            _logger.info("%s: no hash was published, so its content was not checked.", path.name)
        return
    raise ResNeStError(
        "\n".join([f"{wanted.file} could not be fetched:", *failures])
        + "\nNone of its addresses answered when last looked at." * wanted.dead
        + f"\nGet it by other means and put it at {path}, or set {_FOLDER_VARIABLE} to the folder "
        "that has it.")


def _try_address(address: str, path: Path, wanted: _Wanted, progress: Progress) -> Path:
    """The path of the whole and right file under a passing name."""
    part = path.with_name(path.name + ".part")
    zipped = address.endswith(".zip") and not wanted.file.endswith(".zip")
    received = path.with_name(path.name + ".zip.part") if zipped else part
    while True:
        before = received.stat().st_size if received.exists() else 0
        # Only a hash can tell whether two pieces belong together.
        resume = wanted.hash is not None and before > 0
        digests = Digests(wanted.hash_kind)
        try:
            transfer.receive(address, received, resume=resume, digests=digests,
                             progress=progress)
        except transfer.ConnectionCut:
            if wanted.hash is not None and received.stat().st_size > before:
                continue
            raise
        if zipped:
            digests = Digests(wanted.hash_kind)
            transfer.unpack(received, path.name, part, digests=digests)
        wrong = wanted.hash and digests.check(wanted.hash)
        if not wrong:
            return part
        part.unlink()
        if not resume:
            raise AddressFailed(wrong)
