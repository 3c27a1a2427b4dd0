"""The shipped configs, found by name: ``configs/`` is installed as ``resnest_dense.configs``."""

import ast
from pathlib import Path

from resnest_dense.errors import ResNeStValueError, near

__all__ = ["find_config", "framework_of", "list_configs"]

_ROOT = Path(__file__).parent
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
    raise _unknown(name, known)


def framework_of(name: str) -> str:
    """Whether the config ``name`` is for "detectron2" or "mmseg".

    A Python file is a LazyConfig of detectron2 where it imports something of detectron2.

    Args:
        name: as for :func:`find_config`.

    Raises:
        ResNeStValueError: no such config.
    """
    path = Path(name)
    if path.is_file():
        return "detectron2" if path.suffix != ".py" or _is_lazy(path) else "mmseg"
    shipped = {framework: list_configs(framework) for framework in ("detectron2", "mmseg")}
    for framework, names in shipped.items():
        if any(name + suffix in names for suffix in ("", *_SUFFIXES)):
            return framework
    raise _unknown(name, sum(shipped.values(), []))


def _unknown(name: str, known: list[str]) -> ResNeStValueError:
    return ResNeStValueError(
        f"No config {name!r}: neither a file nor one that is shipped. {near(name, known)}"
    )


def _is_lazy(path: Path) -> bool:
    imported = [name for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, (ast.Import, ast.ImportFrom))
                for name in (getattr(node, "module", None) or "", *(a.name for a in node.names))]
    return any("detectron2" in name or name.startswith("resnest_dense.d2") for name in imported)
