"""Who imports whom, and what an installed copy holds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.architecture import (
    FRAMEWORKS,
    LAYERS,
    PACKAGE,
    PAGE,
    draw,
    imported_names,
    room_of,
    used_rooms,
)

ROOT = Path(__file__).parents[1]
FILES = sorted(PACKAGE.rglob("*.py"))
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
ALL_FRAMEWORKS = set().union(*FRAMEWORKS.values())


def name(path):
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_imports_upward(path):
    assert room_of(path) in LEVELS, "a new room: give it a layer in docs/architecture.py"
    level = LEVELS[room_of(path)]
    assert not {room for room in used_rooms(path) if LEVELS.get(room, level) >= level}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_frameworks_are_imported_by_their_adapter_alone(path):
    tops = {name.partition(".")[0] for name in imported_names(path)}
    assert not tops & ALL_FRAMEWORKS - FRAMEWORKS.get(room_of(path), set())


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_imports_anothers_private_name(path):
    ours = (name.split(".") for name in imported_names(path) if name.startswith("resnest_dense."))
    assert not [name for name in ours if name[-1].startswith("_")]


def test_no_folder_is_crowded():
    folders = {path.parent for path in FILES}
    # The entry points and what all rooms share stand at the top.
    crowded = {name(f): len(list(f.glob("*.py"))) for f in folders if f != PACKAGE
               and len(list(f.glob("*.py"))) > 14 + 1}  # and its __init__
    assert not crowded


def test_the_drawing_is_of_today():
    remedy = "run: python -m docs.architecture"
    assert draw() in PAGE.read_text(encoding="utf-8"), remedy


def test_import_with_both_frameworks_hidden(tmp_path):
    code = f"""
import sys
for name in {sorted(ALL_FRAMEWORKS)!r}:
    sys.modules[name] = None
import torch, resnest_dense
features = resnest_dense.create_backbone("resnest14").eval()(torch.zeros(1, 3, 32, 32))
print(features["res5"].shape)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          text=True)
    assert "[1, 2048, 1, 1]" in done.stdout, done.stderr


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A copy of the package as its wheel installs it, outside the checkout."""
    site = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site]
    subprocess.run([*install, wheel], check=True, capture_output=True)
    return site


def test_configs_load_from_an_installed_wheel_in_an_empty_folder(installed, tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(installed)!r})
import resnest_dense
from resnest_dense.configs import find_config, list_configs
from resnest_dense.d2 import get_cfg
assert resnest_dense.__file__.startswith({str(installed)!r})
for name in list_configs("detectron2"):
    if name.endswith(".yaml"):
        get_cfg().merge_from_file(str(find_config(name, "detectron2")))
        print(name)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    shipped = {p.name for p in (ROOT / "configs/detectron2").glob("*.yaml")}
    assert shipped and shipped <= set(done.stdout.split())


def test_the_wheel_names_the_licence(installed):
    [metadata] = installed.glob("resnest_dense-*.dist-info/METADATA")
    assert {"License: Apache-2.0", "License-File: LICENSE"} <= {*metadata.read_text().splitlines()}
    [text] = metadata.parent.rglob("LICENSE")
    assert text.read_text() == (ROOT / "LICENSE").read_text()


def test_the_command_line_of_an_installed_wheel_writes_its_page(installed, tmp_path):
    code = """
import resnest_dense.frameworks
from resnest_dense.analysis import analyze_backbone
few = analyze_backbone("resnest14", (32, 32))
resnest_dense.frameworks.analyze_config = lambda name: few
from resnest_dense.cli import main
assert main(["zoo", "--out", "zoo.md"]) == 0
"""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=environment)
    assert "resnest50_faster_rcnn.yaml" in (tmp_path / "zoo.md").read_text()
