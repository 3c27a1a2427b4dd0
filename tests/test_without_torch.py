"""``pip install resnest_dense[runtime]``, in an environment of its own, which has no torch."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from exported import DETECTOR, colour_cells, write_detector, write_openvino, write_segmentor
from PIL import Image

UV = os.path.join(os.path.dirname(sys.executable), "uv")


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Runs the environment's Python in an empty folder."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    install = [UV, "pip", "install", "--quiet", "--python", python, "--constraint",
               ROOT / "requirements.lock", f"{wheel}[runtime]"]
    if subprocess.run([*install, "--offline"], capture_output=True).returncode:
        subprocess.run(install, check=True)  # make install has left no copies

    def run(*words):
        return subprocess.run([python, *map(str, words)], cwd=folder, capture_output=True,
                              text=True)

    return run


def test_there_is_no_torch_and_the_error_names_the_extra(run):
    assert "No module named 'torch'" in run("-c", "import torch").stderr
    assert run("-c", "import resnest_dense, resnest_dense.cli, resnest_dense.runtime").stderr == ""
    done = run("-c", "from resnest_dense import create_backbone")
    assert "create_backbone: torch is not installed: pip install 'resnest_dense[torch]'" \
        in done.stderr
    done = run("-m", "resnest_dense", "analyze", "resnest50")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "pip install 'resnest_dense[torch]'" in done.stderr
    done = run("-m", "resnest_dense", "doctor")
    assert done.returncode == 0 and "exported models run" in done.stdout


def test_exported_models_predict(run, tmp_path):
    Image.fromarray(colour_cells(90, 130, {(1, 2): 0, (3, 5): 2})).save(tmp_path / "a.png")
    onnx, ours = write_detector(tmp_path / "d.onnx"), tmp_path / "out"
    for model in (onnx, write_openvino(onnx, tmp_path / "d.xml", DETECTOR)):
        done = run("-m", "resnest_dense", "predict", model, tmp_path / "a.png", "--out", ours)
        assert done.returncode == 0, done.stderr
        blue, red = json.loads((ours / "detections.json").read_text())
        assert blue["category_id"] == 9 and blue["bbox"] == [80, 48, 16, 16]
        assert red["category_id"] == 1 and red["segmentation"]["size"] == [90, 130]
    model = write_segmentor(tmp_path / "s.onnx")
    done = run("-m", "resnest_dense", "predict", model, tmp_path / "a.png", "--out", ours)
    assert done.returncode == 0, done.stderr
    labels = Image.open(ours / "labels" / "a.png")
    assert labels.getpixel((40, 24)) == 1 and labels.getpixel((88, 56)) == 3
    assert labels.getpixel((0, 0)) == 0
