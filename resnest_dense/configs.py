"""Configs: the shipped ones by name, and which form a file has.

``configs/`` stands at the top of the repository and is installed inside this package, in
``resnest_dense/configs``; this module finds it in either place.
"""

import ast
import re
from itertools import takewhile
from pathlib import Path

from resnest_dense.errors import ResNeStValueError, near

__all__ = ["FOLDERS", "find_any_config", "find_config", "find_shipped", "list_configs"]

# The folders of configs/: of which framework a config is there.
FOLDERS = ("detectron2", "mmseg")
_SUFFIXES = (".yaml", ".py")
_MMENGINE = ("mmengine", "mmseg", "mmcv", "resnest_dense.mmseg")


def _find_root() -> Path:
    installed, checkout = (folder / "configs" for folder in Path(__file__).resolve().parents[:2])
    return installed if installed.is_dir() else checkout


_ROOT = _find_root()


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


def find_any_config(name: str | Path) -> tuple[Path, str]:
    """Path and form of a config: "yaml" or "lazy" of detectron2, or "mmseg" of mmengine.

    Args:
        name: a path, or the name of a shipped config of either framework. What a file says decides,
            since a ``.py`` or a YAML may be of either.

    Raises:
        ResNeStValueError: no such config, or a file that is none.
    """
    name = str(name)
    if Path(name).is_file():
        return Path(name), _form_of(Path(name))
    for framework in FOLDERS:
        if {name, *(name + suffix for suffix in _SUFFIXES)} & {*list_configs(framework)}:
            path = find_config(name, framework)
            return path, "mmseg" if framework == "mmseg" else _form_of(path)
    raise _unknown(name, [shipped for framework in FOLDERS for shipped in list_configs(framework)])


def find_shipped(path: Path) -> Path | None:
    """The shipped file that a path means which leads nowhere: the one whose path ends most alike;
    None without one of that name.
    """
    found = {len(_common_end(path, there)): there for there in sorted(_ROOT.rglob("*"))
             if there.name == path.name}
    return found[max(found)] if found else None


def _common_end(one: Path, other: Path) -> list[str]:
    pairs = zip(reversed(one.parts), reversed(other.parts))
    return [part for part, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]


def _unknown(name: str, known: list[str]) -> ResNeStValueError:
    return ResNeStValueError(
        f"No config {name!r}: neither a file nor one that is shipped. {near(name, known)}")


def _form_of(path: Path) -> str:
    if path.suffix not in (".py", ".yaml", ".yml"):
        raise ResNeStValueError(f"{path} is no config: those are .yaml, .yml or .py files.")
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            return "mmseg" if _is_of_mmengine(ast.parse(text)) else "lazy"
    except (SyntaxError, UnicodeDecodeError) as error:
        place = f"{path}, line {error.lineno}" if isinstance(error, SyntaxError) else path
        remedy = "mend that line" if isinstance(error, SyntaxError) else "save it in UTF-8"
        raise ResNeStValueError(f"{place}: no config that can be read: "
                                f"{getattr(error, 'msg', error)}; {remedy}.") from error
    # The stock lazy tool writes config.yaml into its output folder too.
    if re.search(r"^model:", text, re.MULTILINE):
        return "lazy" if "_target_:" in text else "mmseg"
    return "yaml"


def _is_of_mmengine(tree: ast.Module) -> bool:
    # A LazyConfig's model is a call of LazyCall; mmengine's is a dict with a type.
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else ()
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        if {"_base_", "custom_imports", "default_scope"} & names:
            return True
        if isinstance(node, ast.Assign) and "model" in names and _is_dict(node.value):
            return True
        if isinstance(node, ast.With) and "read_base" in ast.unparse(node.items[0]):
            return True
    source = ast.unparse(tree)
    return any(re.search(rf"(import|from|import_module\(.|__import__\(.) *{re.escape(module)}\b",
                         source) for module in _MMENGINE)


def _is_dict(value: ast.expr) -> bool:
    return isinstance(value, ast.Dict) or (
        isinstance(value, ast.Call) and getattr(value.func, "id", "") == "dict")
