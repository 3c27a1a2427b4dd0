"""One file from one address to the disk, hashed on the way."""

import hashlib
import http.client
import ipaddress
import socket
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["AddressFailed", "ConnectionCut", "Digests", "Progress", "Redirects", "receive",
           "unpack"]

Progress = Callable[[int, int | None], None]

_TIMEOUT = 30  # seconds without a byte
_CHUNK = 1 << 20
# Weights of an archive, in bytes, and as a multiple of what they take in it.
_LARGEST, _DENSEST = 1 << 34, 100
# Where the publisher does not say which digest it gives, any of these will do.
_KINDS = {"sha256": ("sha256",), "sha1": ("sha1",), "unstated": ("sha256", "sha1", "md5")}


class Digests:
    """Digests of one stream of bytes of a kind: "sha256", "sha1", or "unstated" for all in use."""

    def __init__(self, kind: str):
        self._digests = [hashlib.new(name) for name in _KINDS[kind]]

    def update(self, chunk: bytes) -> None:
        """Take the next bytes in."""
        for digest in self._digests:
            digest.update(chunk)

    def read(self, path: Path) -> "Digests":
        """Take a whole file in."""
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
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


class AddressFailed(Exception):
    """An address did not give the file; the message says why."""


class ConnectionCut(AddressFailed):
    """The connection ended before the file did; what arrived is on the disk."""


def receive(address: str, part: Path, *, resume: bool, digests: Digests,
            progress: Progress) -> None:
    """Write what ``address`` sends to ``part``.

    Args:
        address: http, https or file.
        part: where to.
        resume: ask only for what is missing behind the end of ``part``.
        digests: takes in the whole file, also what was there before.
        progress: called with the bytes so far and in all (None if unknown) after each piece.

    Raises:
        AddressFailed: the address does not answer with a file.
        ConnectionCut: it stopped on the way.
        OSError: the disk does not take it.
    """
    done = part.stat().st_size if resume else 0
    with _open(address, done) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise AddressFailed("a web page came instead of the file")
        if getattr(answer, "status", None) != http.HTTPStatus.PARTIAL_CONTENT:
            done = 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        if done:
            digests.read(part)
        with open(part, "ab" if done else "wb") as file:
            for chunk in _chunks(answer):
                file.write(chunk)
                digests.update(chunk)
                done += len(chunk)
                progress(done, total)
    if total is not None and done < total:
        raise ConnectionCut(f"the connection ended after {done} of {total} bytes")


def unpack(archive: Path, name: str, part: Path, *, digests: Digests) -> None:
    """Write the file called ``name`` in a zip archive to ``part``, and remove the archive.

    Raises:
        AddressFailed: no zip archive, or no such file in it.
    """
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(name) as member, \
                open(part, "wb") as file:
            said = opened.getinfo(name)  # which zipfile reads no byte beyond
            if said.file_size > _LARGEST or said.file_size > _DENSEST * said.compress_size:
                raise AddressFailed(f"its archive makes {said.file_size} bytes of "
                                    f"{said.compress_size}, as no weights do")
            while chunk := member.read(_CHUNK):
                file.write(chunk)
                digests.update(chunk)
    except (zipfile.BadZipFile, KeyError) as error:
        raise AddressFailed(f"it sent no archive with {name} in it ({error})") from error
    finally:
        archive.unlink()


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows an address where a catalog may have been meant to lead: not to another scheme, but
    for https in place of http, and not from the open net to a private host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any,
                         newurl: str) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme not in (old.scheme, "https"):
            raise urllib.error.URLError(f"it redirects from {old.scheme} to {newurl}, another "
                                        "scheme; not followed")
        if _is_private(new.hostname) and not _is_private(old.hostname):
            raise urllib.error.URLError(f"it redirects to {newurl}, a private host; not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_private(host: str | None) -> bool:
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False  # it cannot be reached either
    return any(not ipaddress.ip_address(entry[4][0]).is_global for entry in found)


_OPENER = urllib.request.build_opener(Redirects)


def _open(address: str, start: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "resnest_dense"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(address, headers=headers)
    try:
        return _OPENER.open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(address, 0)
        raise AddressFailed(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise AddressFailed(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise AddressFailed(f"{type(error).__name__} {error}") from error


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    # Failures of the network end here, so that an OSError further out is one of the disk.
    while True:
        try:
            chunk = answer.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionCut(f"the connection broke: {error}") from error
        if not chunk:
            return
        yield chunk
