"""Configs of detectron2 that cannot be used: one line in every tool, with place and remedy."""

import logging

import pytest
from bad_input import assert_one_line, config_commands, load_tool, write

from resnest_dense.cli import main
from resnest_dense.configs import find_config

SHIPPED = find_config("resnest14_mask_rcnn_mini.yaml", "detectron2")
GOOD = f"_BASE_: {SHIPPED}\n"
# What each YAML file holds, and what the one line says of it.
FILES = {
    "tab": ("SOLVER:\n\tMAX_ITER: 3\n", ["bad.yaml, line 2", "indent with spaces"]),
    "bracket": ("SOLVER:\n  STEPS: [1, 2\n  MAX_ITER: 3\n", ["bad.yaml, line 3", "mend"]),
    "two colons": ("SOLVER: MAX_ITER: 3\n", ["bad.yaml, line 1", "mend"]),
    "quote": ("OUTPUT_DIR: 'out\n", ["bad.yaml, line 2", "mend"]),
    "empty": ("", ["bad.yaml is empty", "SOLVER:"]),
    "list": ("- SOLVER\n- MODEL\n", ["bad.yaml holds no keys"]),
    "text": ("SOLVER\n", ["bad.yaml holds no keys"]),
    "copied": ("_BASE_: _base_/rcnn_fpn.yaml\n", ["bad.yaml, line 1", str(SHIPPED.parent)]),
    "shipped name": ("# mine\n_BASE_: resnest50_faster_rcnn.yaml\n",
                     ["bad.yaml, line 2", str(SHIPPED.parent / "resnest50_faster_rcnn.yaml")]),
    "no base": ("_BASE_: nowhere.yaml\n", ["bad.yaml, line 1", "nowhere.yaml", "whole one"]),
    "circle": ("_BASE_: bad.yaml\n", ["bad.yaml", "name each other"]),
    "base with a tab": ("_BASE_: base.yaml\n", ["base.yaml, line 2", "spaces"]),
    "key": (GOOD + "SOLVER:\n  BASE_LRR: 0.1\n",
            ["bad.yaml, line 3", "SOLVER.BASE_LRR", "'SOLVER.BASE_LR'"]),
    "node": (GOOD + "SOLVERS:\n  BASE_LR: 0.1\n", ["bad.yaml, line 2", "SOLVERS"]),
    "key of a base": ("_BASE_: other.yaml\n", ["other.yaml, line 2", "'MODEL.MASK_ON'"]),
    "number for a tuple": (GOOD + "SOLVER:\n  STEPS: 100\n",
                           ["bad.yaml, line 3", 'write STEPS: "(100,)"']),
    "text for a tuple": (GOOD + "DATASETS:\n  TRAIN: mine\n", ["line 3", "('mine',)"]),
    "half a tuple": (GOOD + "SOLVER:\n  STEPS: (60, 80\n", ["line 3", 'write STEPS: "(']),
    "whole number": (GOOD + "SOLVER:\n  BASE_LR: 1\n", ["line 3", 'BASE_LR: "1.0"']),
    "fraction": (GOOD + "SOLVER:\n  MAX_ITER: 10.5\n", ["line 3", 'MAX_ITER: "10"']),
    "exponent": (GOOD + "SOLVER:\n  MAX_ITER: many\n", ["line 3", "a whole number", "'many'"]),
    "switch": (GOOD + "MODEL:\n  MASK_ON: 'yes'\n", ["line 3", "True or False"]),
    "number for keys": (GOOD + "MODEL: 3\n", ["bad.yaml, line 2", "indented below"]),
    "keys for a number": (GOOD + "SOLVER:\n  MAX_ITER:\n    A: 1\n", ["bad.yaml, line 3"]),
    "date": (GOOD + "SOLVER:\n  STEPS: 2020-01-01\n", ["bad.yaml", "STEPS"]),
    "encoding": (b"OUTPUT_DIR: \xff\xfe\n", ["bad.yaml", "save it in UTF-8"]),
    "tag": ("MODEL: !own 3\n", ["bad.yaml, line 1", "!own"]),
}
# The same for what is read, and does not make a model.
MODELS = {
    "architecture": ("META_ARCHITECTURE: FasterRCNN", ["bad.yaml, line 3", "META_ARCH"]),
    "backbone": ("BACKBONE:\n    NAME: build_resnest", ["bad.yaml, line 4", "BACKBONE"]),
    "depth": ("RESNETS:\n    DEPTH: 37", ["bad.yaml", "37", "50"]),
    "features": ("FPN:\n    IN_FEATURES: [res9]", ["bad.yaml, line 4", "res9"]),
    "mean": ("PIXEL_MEAN: []", ["bad.yaml"]),
    "norm": ("FPN:\n    NORM: Batch", ["bad.yaml, line 4", "Batch"]),
}
LAZY = {
    "bracket": ("model = dict(\nx = 1\n", ["bad.py, line 1", "never closed"]),
    "name": ("x = 1\nmodel = nothing\n", ["bad.py, line 2", "nothing"]),
    "import": ("from nowhere import model\n", ["bad.py, line 1", "nowhere"]),
    "relative": ("from .nowhere import model\n", ["bad.py, line 1", "nowhere"]),
    "no model": ("train = dict(max_iter=3)\n", ["bad.py", "model"]),
    "unknown argument": ("from detectron2.config import LazyCall\nfrom torch.nn import Linear\n"
                         "model = LazyCall(Linear)(in_chanels=3)\n", ["bad.py", "in_chanels"]),
}
OVERRIDES = {
    "equals": (["SOLVER.BASE_LR=0.01"], ["write SOLVER.BASE_LR 0.01"]),
    "two with equals": (["SOLVER.BASE_LR=0.01", "A=2"], ["write SOLVER.BASE_LR 0.01"]),
    "odd": (["SOLVER.BASE_LR"], ["write SOLVER.BASE_LR VALUE"]),
    "key": (["SOLVER.BASE_LRR", "1.0"], ["'SOLVER.BASE_LR'"]),
    "tuple": (["SOLVER.STEPS", "100"], ['write SOLVER.STEPS "(100,)"']),
    "half a tuple": (["SOLVER.STEPS", "(100"], ['SOLVER.STEPS "(60000, 80000)"']),
    "name": (["DATASETS.TRAIN", "mine"], ["('mine',)"]),
    "float": (["SOLVER.BASE_LR", "1"], ['SOLVER.BASE_LR "1.0"']),
    "node": (["SOLVER", "1"], ["keys of its own"]),
    "device": (["MODEL.DEVICE", "gpu"], ["MODEL.DEVICE gpu", "cpu"]),
}


@pytest.fixture(autouse=True)
def _logging_into_closed_streams(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)  # detectron2's handlers keep theirs


@pytest.fixture(scope="module")
def tools(tiny):
    """Every tool and command that takes a config of detectron2, by name."""
    train_net, demo = load_tool("train_net"), load_tool("demo")
    image = next(tiny.train_images.iterdir())
    return {
        "train_net": lambda config: train_net("--config-file", config),
        "evaluation": lambda config: train_net("--config-file", config, "--eval-only"),
        "demo": lambda config: demo("--config-file", config, "--input", image),
        **config_commands("none.pth", image)}


@pytest.mark.parametrize("case", FILES)
def test_a_yaml_file_in_every_tool(case, tools, tmp_path, capsys):
    content, words = FILES[case]
    (tmp_path / "base.yaml").write_text("SOLVER:\n\tMAX_ITER: 3\n")
    (tmp_path / "other.yaml").write_text("MODEL:\n  MASK_OM: True\n")
    bad = tmp_path / "bad.yaml"
    write(bad, content)
    for run in tools.values():
        assert_one_line(run(bad), capsys, words)


@pytest.fixture
def own_data(tiny, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return ["--train-json", tiny.train_json, "--train-images", tiny.train_images]


@pytest.mark.parametrize("case", MODELS)
def test_a_yaml_file_that_makes_no_model(case, tools, own_data, tmp_path, capsys):
    content, words = MODELS[case]
    bad = tmp_path / "bad.yaml"
    bad.write_text(f"{GOOD}MODEL:\n  {content}\n")
    train_net = load_tool("train_net")
    assert_one_line(train_net("--config-file", bad, *own_data), capsys, words)
    for name in ("demo", "predict", "attention", "analyze", "benchmark"):
        assert_one_line(tools[name](bad), capsys, words)


@pytest.mark.parametrize("case", LAZY)
def test_a_lazy_config(case, tools, tmp_path, capsys):
    content, words = LAZY[case]
    bad = tmp_path / "bad.py"
    bad.write_text(content)
    for name in ("demo", "predict", "attention", "analyze", "benchmark"):
        assert_one_line(tools[name](bad), capsys, words)


@pytest.mark.parametrize("case", OVERRIDES)
def test_overrides(case, capsys, own_data):
    words, said = OVERRIDES[case]
    code = load_tool("train_net")("--config-file", SHIPPED.name, *own_data, *words)
    assert_one_line(code, capsys, said)
    code = main(["show-data", SHIPPED.name, "--opts", *words])
    assert_one_line(code, capsys, said)
