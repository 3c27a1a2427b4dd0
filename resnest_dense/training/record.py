"""What a run was started with, kept in its folder, and what sets two runs apart."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from resnest_dense.base.runs import changed_settings
from resnest_dense.doctor import installed
from resnest_dense.errors import ResNeStError
from resnest_dense.training.processes.launch import launch_token
from resnest_dense.weights.files import split_part
from resnest_dense.weights.source import locate
from resnest_dense.weights.transfer import Digests

__all__ = ["RECORD", "differences", "fingerprint", "keep_record", "read_record",
           "read_records", "was_begun"]

RECORD = "starts.jsonl"  # a line for each start of the run: the first one, and each --resume
_ROOT = Path(__file__).parents[2]
_PLACES = ("OUTPUT_DIR", "work_dir", "filename")  # settings of the one and the other framework


def keep_record(folder: str | Path, *, seed: int | None, config: Mapping[str, Any],
                weights: Mapping[str, str | None],
                data: Mapping[str, Iterable[str | Path]]) -> None:
    """Adds to the folder of a run how it is started now: command, versions, git commit, seed,
    config, and fingerprints of its weights and data.

    Args:
        folder: of the run.
        seed: that it draws its random numbers from.
        config: all its settings, as plain data.
        weights: where it gets weights from, by the setting that says so.
        data: files and folders of each of its sets, by name. Of files the content is looked at, of
            folders names and sizes of all that is in them.
    """
    start = {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        "launch": launch_token(),
        "cwd": os.getcwd(),  # from where relative paths start
        "seed": seed,
        "versions": installed(),
        "commit": _commit(),
        "weights": {key: {"source": source, "sha256": _digest_of(source)}
                    for key, source in weights.items() if source},
        "data": {name: {str(path): fingerprint(Path(path)) for path in paths}
                 for name, paths in data.items()},
        "config": config,
    }
    with open(Path(folder, RECORD), "a", encoding="utf-8") as file:
        file.write(json.dumps(start, default=str) + "\n")


def read_record(folder: str | Path) -> dict[str, Any]:
    """The last start of the run in ``folder``, as :func:`read_records`."""
    return read_records(folder)[-1]


def read_records(folder: str | Path) -> list[dict[str, Any]]:
    """All starts of the run in ``folder``: the first one, and each that went on with it.

    Raises:
        ResNeStError: a folder without a record, or with a damaged one.
    """
    path = Path(folder, RECORD)
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (FileNotFoundError, NotADirectoryError):
        raise ResNeStError(f"{folder} holds no {RECORD}: name the folder of a run that was started "
                           "by this package's training tools.") from None
    except (OSError, ValueError) as error:
        raise ResNeStError(f"{path} cannot be read: {error}") from error
    if not records:
        raise ResNeStError(f"{path} cannot be read: it is empty.")
    return records


def was_begun(folder: str | Path) -> bool:
    """Whether this launch has begun the run in ``folder``, before its processes were restarted:
    then they go on with it, whatever they were told when they started first."""
    token = launch_token()
    try:
        return bool(token) and read_record(folder).get("launch") == token
    except ResNeStError:
        return False


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What two records differ in, by dotted name, with both values; not compared are time, command,
    launch, the folders of the run and of the process, and where its data lies.
    """
    return changed_settings(_comparable(one), _comparable(other))


def _comparable(record: Mapping[str, Any]) -> dict[str, Any]:
    config = {key: value for key, value in record["config"].items() if key not in _PLACES}
    prints = {name: [*paths.values()] for name, paths in record["data"].items()}
    return {**record, "config": config, "data": prints, "time": None, "command": None,
            "launch": None, "cwd": None}


def _commit() -> str | None:
    """The commit of the checkout that runs, with "+" where files differ from it; None elsewhere."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.check_output(["git", "-C", _ROOT, *words], text=True, timeout=30).strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain")))
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + "+" * bool(changes)


def _digest_of(source: str) -> str | None:
    try:  # it has been loaded, so that nothing is fetched
        return _sha256(locate(split_part(source)[0]))
    except ResNeStError:  # an address that only a framework knows
        return None


def fingerprint(path: Path) -> str:
    """What tells a file from another one by its content, a folder by names and sizes in it."""
    if path.is_file():
        return f"sha256 {_sha256(path)}"
    if not path.is_dir():
        return "missing"
    digest, count = hashlib.sha256(), 0
    for folder, names, files in os.walk(path):
        names.sort()  # the order in which they are walked
        for name in sorted(files):
            file = Path(folder, name)
            size = file.stat().st_size if file.exists() else -1
            digest.update(f"{file.relative_to(path)}\0{size}\0".encode("utf-8", "surrogateescape"))
            count += 1
    return f"{count} files, names and sizes {digest.hexdigest()}"


def _sha256(path: Path) -> str:
    return Digests("sha256").read(path).values()[0]
