"""What is generated from the code, and that nothing is missing there."""

import inspect
import json
import re
from importlib import import_module

import pytest
import timm
from doc_pages import ROOT

from docs import config_keys, family, findings, network
from docs.conf import ROOMS
from resnest_dense.d2 import get_cfg
from resnest_dense.mmseg.run.named import NAMED

DRAWINGS = {**family.DRAWINGS, **network.DRAWINGS}
API = (ROOT / "docs/api.md").read_text(encoding="utf-8")
MODULES = re.findall(r"automodule:: (\S+)", API)


@pytest.mark.parametrize("file", DRAWINGS)
def test_the_drawings_are_of_todays_networks(file):
    assert (ROOT / "docs" / file).read_text(encoding="utf-8") == DRAWINGS[file](), "run: make pages"


def test_the_page_of_config_keys_is_of_today():
    page = config_keys.PAGE.read_text(encoding="utf-8")
    assert page == config_keys.render(), "run: make pages"
    # Nothing that is added to either framework's configs is without a word there.
    from detectron2.config import get_cfg as get_stock_cfg

    added = {f"{node}.{key}" for node in ("MODEL.RESNETS", "SOLVER", "DATALOADER", "TEST")
             for key in leaf(get_cfg(), node) if key not in leaf(get_stock_cfg(), node)}
    assert added and all(f"| `{key}` |" in page for key in {*added, *NAMED})


def leaf(cfg, name):
    for part in name.split("."):
        cfg = cfg[part]
    return cfg


def test_every_variable_is_on_the_page_of_keys():
    page = config_keys.PAGE.read_text(encoding="utf-8")
    named = {name for path in (ROOT / "resnest_dense").rglob("*.py")
             for name in re.findall(r"\bRESNEST_DENSE_[A-Z_]+\b", path.read_text(encoding="utf-8"))}
    assert named and not {name for name in named if f"| `{name}` |" not in page}


def test_every_finding_has_its_row():
    rows = findings.render()
    kinds = {name for path in (ROOT / "resnest_dense").rglob("kinds.json")
             for name in json.loads(path.read_text(encoding="utf-8"))}
    assert kinds and not {name for name in kinds if f"\n| `{name}` |" not in rows}
    assert findings.MARK in (ROOT / "docs/data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_says_what_it_is(name):
    module = import_module(name)
    for public in module.__all__:
        thing = getattr(module, public)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, f"{name}.{public}"


def test_every_page_has_its_place_in_the_navigation():
    placed = {path for paths in ROOMS.values() for path in paths}
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    notebooks = {f"notebooks/{path.stem}" for path in (ROOT / "docs/notebooks").glob("*.ipynb")}
    assert {path for path in placed if not path.startswith("/")} == pages | notebooks
    assert all((ROOT / f"{path[1:]}.md").is_file() for path in placed if path.startswith("/"))


def test_the_tables_of_migration_name_what_is_there():
    page = (ROOT / "docs/migration.md").read_text(encoding="utf-8")
    names = timm.list_models("resnest*", exclude_filters="resnest_dense*")
    assert names and not [name for name in names if f'"{name}"' not in page]
    from mmseg.models.backbones import ResNeSt

    taken = {argument for kind in ResNeSt.__mro__[:3]
             for argument in inspect.signature(kind.__init__).parameters}
    ours = import_module("resnest_dense.mmseg.backbone").ResNeSt
    section = page.partition("## From MMSegmentation's")[2].partition("```python")[0]
    for row in re.findall(r"^\| (.*?) \| (.*?) \|$", section, re.MULTILINE)[2:]:
        for cell, known in ((row[0], taken), (row[1], inspect.signature(ours).parameters)):
            for name in re.findall(r"`(\w+)=", cell):
                assert name in {*known, "type", "checkpoint"}, name
