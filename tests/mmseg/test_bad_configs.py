"""Configs of MMSegmentation that cannot be used: one line in every tool, with place and remedy."""

import pytest
from bad_input import assert_one_line, config_commands, load_tool, write
from PIL import Image

from resnest_dense.configs import find_config

SHIPPED = find_config("resnest14_deeplabv3_ade20k", "mmseg")
GOOD = "work_dir = 'run'\n"
# What each file holds, and what the one line says of it.
FILES = {
    "bracket": (GOOD + "model = dict(decode_head=dict(num_classes=3)\n",
                ["bad.py, line 2", "never closed", "mend"]),
    "indent": (GOOD + "model = dict()\n    x = 1\n", ["bad.py, line 3", "indent"]),
    "tabs": (GOOD + "if True:\n\tx = 1\n        y = 2\n", ["bad.py, line 4", "mend"]),
    "bracket of a base": ("_base_ = ['base.py']\n", ["base.py, line 2", "never closed"]),
    "copied": ("_base_ = ['./resnest101_fcn_ade20k.py']\n",
               ["bad.py, line 1", str(SHIPPED.parent / "resnest101_fcn_ade20k.py")]),
    "no base": ("x = 1\n_base_ = 'nowhere.py'\n", ["bad.py, line 2", "whole one"]),
    "folder as base": ("_base_ = '.'\n", ["bad.py"]),
    "same key in bases": ("_base_ = ['base2.py', 'base3.py']\n", ["bad.py", "Duplicate key"]),
    "package": ("_base_ = 'nowhere::x.py'\n", ["bad.py", "relative config path"]),
    "name": (GOOD + "model = dict(depth=nothing)\n", ["bad.py, line 2", "nothing"]),
    "import": (GOOD + "__import__('nowhere')\n", ["bad.py, line 2", "nowhere"]),
    "custom_imports": (GOOD + "custom_imports = dict(imports=['resnest_dense.mmsegg'], "
                       "allow_failed_imports=False)\n", ["bad.py", "resnest_dense.mmsegg"]),
    "model is no dict": ("custom_imports = {}\nmodel = None\n", ["bad.py"]),
    "encoding": (b"x = '\xff'\n", ["bad.py", "UTF-8"]),
}
# The same for what is read, and does not make a model: arguments of one.
MODELS = {
    "number for a head": ("auxiliary_head=3", ["bad.py"]),
    "type": ("backbone=dict(type='resnest_dense.ResNest')", ["bad.py, line 2", "ResNest"]),
    "argument": ("backbone=dict(architektur='resnest14')", ["bad.py, line 2", "architektur"]),
    "architecture": ("backbone=dict(architecture='resnest15')", ["bad.py", "'resnest14'"]),
}
OPTIONS = {
    "pair": (["train_cfg.max_iters", "4"], ["write train_cfg.max_iters=4"]),
    "key": (["train_cfg.max_iters"], ["write train_cfg.max_iters=1"]),
    "bracket": (["model.decode_head.loss_weight=[1,2"], ["[1,2", 'KEY="[1,2]"']),
    "tuple": (["model.decode_head.dilations=(1,2"], ["(1,2", 'KEY="(1,2)"']),
    "top": (["trian_cfg.max_iters=4"], ["'train_cfg'"]),
    "into a number": (["train_cfg.max_iters.x=4"], ["train_cfg.max_iters.x=4"]),
    "index": (["param_scheduler.7.power=1"], ["param_scheduler.7.power=1"]),
    "argument": (["model.decode_head.chanels=4"], ["chanels"]),
}


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """Every tool and command that takes a config of MMSegmentation, by name."""
    train, test = load_tool("mmseg_train"), load_tool("mmseg_test")
    folder = tmp_path_factory.mktemp("work")
    image, weights = folder / "a.png", folder / "a.pth"
    Image.new("RGB", (32, 32)).save(image)
    weights.write_bytes(b"none")
    return {
        "train": lambda config: train(config, "--work-dir", folder / "run"),
        "test": lambda config: test(config, weights, "--work-dir", folder / "run"),
        **config_commands(weights, image)}


@pytest.mark.parametrize("case", FILES)
def test_a_file_in_every_tool(case, tools, tmp_path, capsys):
    content, words = FILES[case]
    (tmp_path / "base.py").write_text("x = 1\nmodel = dict(\n")
    for name in ("base2.py", "base3.py"):
        (tmp_path / name).write_text("model = dict(type='EncoderDecoder')\n")
    bad = tmp_path / "bad.py"
    write(bad, content)
    for run in tools.values():
        assert_one_line(run(bad), capsys, words)


@pytest.mark.parametrize("case", MODELS)
def test_a_file_that_makes_no_model(case, tools, tmp_path, capsys):
    content, words = MODELS[case]
    bad = tmp_path / "bad.py"
    bad.write_text(f"_base_ = ['{SHIPPED}']\nmodel = dict({content})\n")
    for name in ("analyze", "train"):
        assert_one_line(tools[name](bad), capsys, words)


@pytest.mark.parametrize("case", OPTIONS)
def test_options(case, config, tmp_path, capsys):
    options, words = OPTIONS[case]
    weights = tmp_path / "a.pth"
    weights.write_bytes(b"none")
    for run in (load_tool("mmseg_train"),
                lambda *words: load_tool("mmseg_test")(words[0], weights, *words[1:])):
        code = run(config, "--work-dir", tmp_path / "run", "--cfg-options", *options)
        assert_one_line(code, capsys, words)


@pytest.mark.parametrize("name,content,words", [
    ("bad.yaml", "MODEL:\n  MASK_ON: True\n", ["detectron2", "not of MMSeg"]),
    ("bad.py", "", ["has no 'model'"]),
    ("bad.py", "train_cfg = dict(max_iters=3)\n", ["has no 'model'"])])
def test_a_file_that_is_no_config_of_mmsegmentation(name, content, words, tools, tmp_path, capsys):
    (tmp_path / name).write_text(content)
    for tool in ("train", "test"):
        assert_one_line(tools[tool](tmp_path / name), capsys, [name, *words])
