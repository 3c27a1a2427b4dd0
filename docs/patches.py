"""The page of everything that is patched in the frameworks, from the tables of both adapters.

    python -m docs.patches        # writes docs/patches.md anew
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from resnest_dense.base.patching import Patch
from resnest_dense.d2.patches import PATCHES as DETECTRON2
from resnest_dense.mmseg.patches import PATCHES as MMENGINE

__all__ = ["PAGE", "render"]

PAGE = Path(__file__).with_name("patches.md")
_TEXT = """# What is patched

Importing `resnest_dense.d2` or `resnest_dense.mmseg` replaces the names below, where a model is
concerned for those with a ResNeSt of ours alone; `resnest_dense.d2.patches.uninstall()` and
`resnest_dense.mmseg.patches.uninstall()` put back what was there. Importing `resnest_dense`
replaces nothing, and nothing of torch is replaced.

Written by `python -m docs.patches` from the two tables `PATCHES`, in the environment of
`make install`; do not edit it by hand. A fork of mmsegmentation gets one more patch, and a full
mmcv does without the last.

## detectron2

{detectron2}

## mmengine and mmcv

{mmengine}
"""


def render() -> str:
    """The page."""
    return _TEXT.format(detectron2=_table(DETECTRON2), mmengine=_table(MMENGINE))


def _table(patches: Iterable[Patch]) -> str:
    rows = [f"| `{_place(patch)}` | {patch.reason.rstrip('.')} | {patch.until.rstrip('.')} |"
            for patch in patches]
    return "\n".join(["| name | why | until |", "| --- | --- | --- |", *rows])


def _place(patch: Patch) -> str:
    owner = patch.owner
    if isinstance(owner, type):
        return f"{owner.__module__}.{owner.__qualname__}.{patch.name}"
    if isinstance(owner, ModuleType):
        return f"{owner.__name__}.{patch.name}"
    return f'{"sys.modules" if owner is sys.modules else ""}["{patch.name}"]'


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
