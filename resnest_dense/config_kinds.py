"""Of which framework a config is, told by its content: a ``.py`` may be of either."""

import ast
import re
from pathlib import Path

from resnest_dense.configs import find_config, list_configs
from resnest_dense.errors import ResNeStValueError, near

__all__ = ["KINDS", "find_any_config"]

# detectron2's two forms of a config, and mmengine's.
KINDS = ("yaml", "lazy", "mmseg")
_MMENGINE = ("mmengine", "mmseg", "mmcv", "resnest_dense.mmseg")


def find_any_config(name: str | Path) -> tuple[Path, str]:
    """Path and kind of a config: "yaml" or "lazy" of detectron2, or "mmseg".

    Args:
        name: a path, or the name of a shipped config of either framework.

    Raises:
        ResNeStValueError: no such config, or a file that is none.
    """
    name = str(name)
    if Path(name).is_file():
        return Path(name), _kind_of(Path(name))
    for framework in ("detectron2", "mmseg"):
        names = list_configs(framework)
        if {name, f"{name}.yaml", f"{name}.py"} & {*names}:
            path = find_config(name, framework)
            return path, _kind_of(path) if framework == "detectron2" else "mmseg"
    known = [*list_configs("detectron2"), *list_configs("mmseg")]
    raise ResNeStValueError(
        f"No config {name!r}: neither a file nor one that is shipped. {near(name, known)}"
    )


def _kind_of(path: Path) -> str:
    if path.suffix not in (".py", ".yaml", ".yml"):
        raise ResNeStValueError(f"{path} is no config: those are .yaml, .yml or .py files.")
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            return "mmseg" if _is_of_mmengine(ast.parse(text)) else "lazy"
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ResNeStValueError(f"{path} is no config that can be read: {error}") from error
    # The stock lazy tool writes config.yaml into its output folder too.
    if re.search(r"^model:", text, re.MULTILINE):
        return "lazy" if "_target_:" in text else "mmseg"
    return "yaml"


def _is_of_mmengine(tree: ast.Module) -> bool:
    # A LazyConfig's model is a call of LazyCall; mmengine's is a dict with a type.
    for node in tree.body:
        targets = [t.id for t in getattr(node, "targets", ()) if isinstance(t, ast.Name)]
        if {"_base_", "custom_imports", "default_scope"} & {*targets}:
            return True
        if "model" in targets and _is_dict(node.value):
            return True
        if isinstance(node, ast.With) and "read_base" in ast.unparse(node.items[0]):
            return True
    source = ast.unparse(tree)
    return any(re.search(rf"(import|from|import_module\(.|__import__\(.) *{re.escape(module)}\b",
                         source) for module in _MMENGINE)


def _is_dict(value: ast.expr) -> bool:
    return isinstance(value, ast.Dict) or (
        isinstance(value, ast.Call) and getattr(value.func, "id", "") == "dict")
