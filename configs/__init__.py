"""The shipped configs, found by name: ``configs/`` is installed as ``resnest_dense.configs``."""

from pathlib import Path

from resnest_dense.errors import ResNeStValueError, near

__all__ = ["find_config", "list_configs"]

_ROOT = Path(__file__).resolve().parent
_SUFFIXES = (".yaml", ".py")


def list_configs(framework: str) -> list[str]:
    """Names of the configs of ``framework`` ("detectron2" or "mmseg"), bases left out."""
    folder = _ROOT / framework
    paths = (p.relative_to(folder) for p in folder.rglob("*") if p.suffix in _SUFFIXES)
    return sorted(str(p) for p in paths if not any(part.startswith("_") for part in p.parts))


def find_config(name: str, framework: str) -> Path:
    """Path of a config: ``name`` as a path if that file exists, otherwise the shipped one.

    Args:
        name: a path, or a shipped name with or without its suffix.
        framework: "detectron2" or "mmseg".

    Raises:
        ResNeStValueError: neither exists; the message lists the nearest names.
    """
    if Path(name).is_file():
        return Path(name)
    known = list_configs(framework)
    for candidate in (name, *(name + suffix for suffix in _SUFFIXES)):
        if candidate in known:
            return _ROOT / framework / candidate
    raise ResNeStValueError(
        f"No config {name!r}: neither a file nor one that is shipped. {near(name, known)}"
    )
