"""The page of every config key, from the tables and docstrings of the code.

    python -m docs.config_keys        # writes docs/config_keys.md anew (`make pages`)
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from resnest_dense.d2.backbone import SHAPE_KEYS
from resnest_dense.d2.config_keys import KEYS
from resnest_dense.mmseg import registry
from resnest_dense.mmseg.run.named import NAMED

__all__ = ["PAGE", "render"]

PAGE = Path(__file__).with_name("config_keys.md")
_TEXT = """# Config keys

Every key, name and argument that this package adds to configs. Written by `make pages` from the
code; do not edit it by hand.

## detectron2

Beside detectron2's own keys, none of which change:

{keys}

A ResNeSt also reads these of detectron2's under `MODEL.RESNETS`: `DEPTH` (14, 26, 50, 101, 152, 200
or 269), `NUM_GROUPS` (the cardinality), `WIDTH_PER_GROUP`, `NORM`, `OUT_FEATURES`, `RES5_DILATION`
(1, 2 or 4 for an output stride of 32, 16 or 8), `DEFORM_ON_PER_STAGE`, `DEFORM_MODULATED` and
`DEFORM_NUM_GROUPS`, and `MODEL.BACKBONE.FREEZE_AT`. `STRIDE_IN_1X1` is for plain ResNets; a ResNeSt
never strides in its 1x1. `MODEL.BACKBONE.NAME` is `build_resnest_backbone`,
`build_resnest_fpn_backbone` or `build_retinanet_resnest_fpn_backbone`.

Beside `ARCHITECTURE` these stay at their defaults, because the name says them: {shape}.

## MMSegmentation: settings by name

For `--cfg-options` of `tools/mmseg_train.py`, wherever in a config they stand:

{named}

## MMSegmentation: parts

What `type="resnest_dense.ResNeSt"` and its like may name in any config of mmengine, with
`custom_imports = dict(imports=["resnest_dense.mmseg"])`:

{parts}

## Variables of the environment

| variable | meaning |
| --- | --- |
| `RESNEST_DENSE_WEIGHTS_DIR` | folder of weight files; none that is there is fetched: \
[weights](weights.md) |
| `RESNEST_DENSE_CATALOG` | a catalog of your own weights or mirrors: [weights](weights.md) |
| `RESNEST_DENSE_OPS` | what computes split attention: [speed](speed.md#fused-and-compiled) |
| `RESNEST_DENSE_PATIENCE` | seconds that processes wait for each other: \
[reliability](reliability.md) |
| `RESNEST_DENSE_LAUNCH` | set by `tools/submit.py` for its processes, not by you |
"""


def render() -> str:
    """The page."""
    return _TEXT.format(
        keys=_table(("key", "default", "meaning"),
                    ((f"`{key}`", f"`{default!r}`", meaning)
                     for key, (default, meaning) in KEYS.items())),
        shape=", ".join(f"`{key}`" for key in SHAPE_KEYS),
        named=_table(("name", "sets"), ((f"`{name}`", inspect.getdoc(setter) or "")
                                        for name, setter in NAMED.items())),
        parts="\n\n".join(_part(*found) for found in _registered()))


def _registered() -> Iterator[tuple[str, type]]:
    """The parts of mmengine's registries by name."""
    for each in (getattr(registry, name) for name in registry.__all__):
        each.import_from_location()
        yield from sorted(each.module_dict.items())


def _part(name: str, kind: type) -> str:
    """A part with its first sentence and the arguments that it documents."""
    written = inspect.getdoc(kind) or ""
    summary = " ".join(written.split("\n\n")[0].split())
    summary = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", summary).replace("``", "`")
    defaults = inspect.signature(kind.__init__).parameters
    rows = [(f"`{argument}`", _default(defaults.get(argument)), meaning)
            for argument, meaning in _arguments(written)]
    return "\n\n".join([f"### {name}", summary,
                        *([_table(("argument", "default", "meaning"), rows)] if rows else [])])


def _arguments(written: str) -> Iterator[tuple[str, str]]:
    """The entries of a docstring's section "Args"."""
    section = re.search(r"^Args:\n(.*?)(?=\n\S|\Z)", written, re.DOTALL | re.MULTILINE)
    for entry in re.split(r"\n(?=    \w)", section[1].rstrip() if section else ""):
        name, colon, meaning = entry.strip().partition(":")
        if colon:
            meaning = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(meaning.split()))
            yield name, meaning.replace("``", "`")


def _default(argument: inspect.Parameter | None) -> str:
    if argument is None or argument.default is inspect.Parameter.empty:
        return ""
    value: Any = argument.default
    return f"`{dict(value)!r}`" if hasattr(value, "items") else f"`{value!r}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
