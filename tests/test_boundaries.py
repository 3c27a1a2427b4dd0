"""Who imports whom, and what an installed copy holds."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "resnest_dense"
FRAMEWORKS = {"detectron2", "mmseg", "mmengine", "mmcv", "fvcore", "iopath", "yacs"}
ALLOWED = {"d2": {"detectron2", "fvcore", "iopath", "yacs"}, "mmseg": {"mmseg", "mmengine", "mmcv"}}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_frameworks_are_imported_by_their_adapter_alone(path):
    part = path.relative_to(PACKAGE).parts[0]
    tops = {name.partition(".")[0] for name in imported(path)}
    assert not tops & FRAMEWORKS - ALLOWED.get(part, set())


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_imports_anothers_private_name(path):
    ours = (name.split(".") for name in imported(path) if name.startswith("resnest_dense"))
    assert not [name for name in ours if name[-1].startswith("_")]


def test_import_with_both_frameworks_hidden(tmp_path):
    code = f"""
import sys
for name in {sorted(FRAMEWORKS)!r}:
    sys.modules[name] = None
import torch, resnest_dense
features = resnest_dense.create_backbone("resnest14").eval()(torch.zeros(1, 3, 32, 32))
print(features["res5"].shape)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "[1, 2048, 1, 1]" in done.stdout, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A copy of the package as its wheel installs it, outside the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # The build leaves files behind.
    wanted = shutil.ignore_patterns(".*", "results", "output", "build", "*.egg-info", "tests")
    shutil.copytree(ROOT, source, ignore=wanted)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
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
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shipped = {p.name for p in (ROOT / "configs/detectron2").glob("*.yaml")}
    assert shipped and shipped <= set(done.stdout.split())
