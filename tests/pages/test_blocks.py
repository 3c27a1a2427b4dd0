"""Every Python block of every page runs: those of a page one after another, in a process of its
own, in a folder that has the files that the pages name."""

import os
import re

from doc_pages import PAGES, page_id
from forks import run_forked

# Heavy ones, imported once; MMSegmentation's models behind what mmcv-lite needs for them.
LIBRARIES = ("torchvision.models.detection", "segmentation_models_pytorch", "detectron2.modeling",
             "resnest_dense.mmseg", "mmseg.models")
# A config of mmengine is read, not run: what it names must be there, and its backbone be built.
_BUILD = """
from importlib import import_module
from mmengine.registry import MODELS
for name in custom_imports["imports"]:
    import_module(name)
assert MODELS.build({k: v for k, v in model["backbone"].items() if k != "_delete_"})
"""


def test_the_blocks_of_all_pages_run(prepared):
    cases = {}
    for page in PAGES:
        blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        if blocks:
            cases[page_id(page)] = "\n".join(
                block + _BUILD * block.startswith("custom_imports") for block in blocks)
    assert len(cases) >= 9
    env = {**os.environ, "RESNEST_DENSE_CATALOG": str(prepared / "catalog.json"),
           "RESNEST_DENSE_WEIGHTS_DIR": str(prepared / "weights"), "HF_HUB_OFFLINE": "1"}
    failures = run_forked(cases, preload=LIBRARIES, cwd=prepared, env=env)
    assert failures == dict.fromkeys(cases, "")
