"""Who may use whom in ``resnest_dense``, and the drawing of it in ARCHITECTURE.md.

    python -m docs.architecture        # draws it anew, from the imports of every file
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import resnest_dense

__all__ = ["FRAMEWORKS", "LAYERS", "PACKAGE", "draw", "imported_names", "room_of", "used_rooms"]

PACKAGE = Path(resnest_dense.__file__).parent
PAGE = PACKAGE.parent / "ARCHITECTURE.md"
# From the bottom up: a room (a folder or a file of the package) may use those of the layers below
# its own, and none beside it.
LAYERS = (
    ("errors",),
    ("architectures", "base", "configs", "doctor", "registry"),
    ("config_errors",),
    ("ops",),
    ("inference",),
    ("nn",),
    ("weights",),
    ("create",),
    ("analysis", "data", "preflight", "training"),
    ("comparison", "imagenet", "planning", "published", "runtime"),
    ("exporting", "integrations", "report"),
    ("d2", "mmseg", "serve"),
    ("frameworks",),
    ("deployment", "folder_training"),
    ("commands",),
    ("cli",),
    ("__init__", "__main__"),
)
# Who may import what of the frameworks.
FRAMEWORKS = {"d2": {"detectron2", "fvcore", "iopath", "yacs"},
              "mmseg": {"mmcv", "mmengine", "mmseg"}}
_BLOCK = re.compile(r"(?<=```mermaid\n).*?(?=```)", re.DOTALL)


def room_of(path: Path) -> str:
    """The room of a file of the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_names(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, also inside functions and for type checkers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used_rooms(path: Path) -> set[str]:
    """The other rooms that a file imports something from."""
    ours = {name.split(".")[1] for name in imported_names(path)
            if name.startswith("resnest_dense.")}
    rooms = {name if name not in resnest_dense.__all__ else
             getattr(resnest_dense, name).__module__.split(".")[1] for name in ours}
    return rooms - {room_of(path)}


def draw() -> str:
    """The rooms as a Mermaid chart: an arrow to each room that is used, unless another room that is
    used uses it as well.
    """
    uses: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        uses.setdefault(room_of(path), set()).update(used_rooms(path))
    rooms = [room for layer in reversed(LAYERS) for room in layer if room in uses]
    below = {room: _all_below(room, uses) for room in rooms}
    lines = ["graph TD"]
    for room in rooms:
        if room.startswith("__"):
            continue
        label = f"{room}/" if (PACKAGE / room).is_dir() else f"{room}.py"
        lines.append(f'    {room}["{label}"]')
        lines += [f"    {room} --> {used}" for used in rooms if used in uses[room]
                  and not any(used in below[other] for other in uses[room])]
    return "\n".join(lines) + "\n"


def _all_below(room: str, uses: dict[str, set[str]]) -> set[str]:
    direct = uses[room]
    return direct.union(*(_all_below(used, uses) for used in direct))


if __name__ == "__main__":
    PAGE.write_text(_BLOCK.sub(draw(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
