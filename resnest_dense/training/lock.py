"""Which process trains in a folder: one, and its number and machine are in a file there."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnest_dense.errors import ResNeStError
from resnest_dense.training.processes.launch import launch_token

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["started", "training_in"]

_NAME = "training.lock"


@contextmanager
def training_in(folder: str | os.PathLike, *, first: bool = True) -> Iterator[None]:
    """Inside, this process trains in ``folder``, which is made. The lock of a process that has
    ended without leaving it is taken over, and so is that of an earlier start of the same launch,
    which has ended it on whatever machine.

    Args:
        folder: of the run.
        first: of the processes that train together; the others leave the lock to it.

    Raises:
        ResNeStError: another process trains there.
    """
    if not first:
        yield
        return
    path = Path(folder, _NAME)
    path.parent.mkdir(parents=True, exist_ok=True)
    _take(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder may be gone
            if _read(path.read_text()) == _own():
                path.unlink()


def _take(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    with os.fdopen(handle, "r+") as file:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)  # while one reads and writes, others wait
        owner = _read(file.read())
        if owner and _lives(owner):
            raise ResNeStError(
                f"{path.parent}: process {owner['pid']} on {owner['host']} trains there. Wait for "
                f"it, stop it or give another folder; if there is no such process, delete {path}.")
        file.seek(0)
        file.truncate()
        file.write(json.dumps(_own()))


def _read(text: str) -> dict:
    try:
        owner = json.loads(text)
        return owner if isinstance(owner, dict) and {"pid", "host"} <= {*owner} else {}
    except ValueError:  # one was killed while it wrote
        return {}


def _own() -> dict:
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": started(os.getpid()),
            "launch": launch_token()}


def _lives(owner: dict) -> bool:
    if launch_token() and owner.get("launch") == launch_token():
        return False
    if owner["host"] != socket.gethostname():
        return True  # nobody can tell from here
    if os.name != "posix":
        return owner["pid"] == os.getpid()
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # of another user
    # The number may have been given to another process since.
    return owner.get("started") == started(owner["pid"]) and owner != _own()


def started(pid: int) -> str:
    """When a process began, in ticks since the machine did; "" where nobody tells, "Z" of one that
    has ended and whose parent has not asked."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "Z" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return ""
