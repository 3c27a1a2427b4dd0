"""A network that is added as one row of architectures.py is everywhere."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from mmengine.registry import MODELS

import resnest_dense.mmseg  # noqa: F401
from resnest_dense import architectures, create_backbone, list_architectures
from resnest_dense.architectures import Architecture
from resnest_dense.cli import main
from resnest_dense.configs import FOLDERS
from resnest_dense.d2 import build_resnest_backbone, get_cfg
from resnest_dense.frameworks import analyze_config
from resnest_dense.published.zoo import Figures, config_rows, render

NAME, BLOCKS = "resnest38", (2, 3, 5, 2)


@pytest.fixture(autouse=True)
def one_row(monkeypatch):
    monkeypatch.setitem(architectures._ARCHITECTURES, NAME, Architecture(BLOCKS, 32))


def names_and_shapes(model):
    return {name: value.shape for name, value in model.state_dict().items()}


@pytest.fixture
def expected(one_row):
    with torch.device("meta"):
        return names_and_shapes(create_backbone(NAME))


def test_it_is_listed_and_built(expected):
    assert NAME in list_architectures()
    assert {f"res{i + 2}.{n}.conv3.weight" for i, n in enumerate(BLOCKS) for n in range(n)} <= set(
        expected)


def test_detectron2_builds_it(expected):
    cfg = get_cfg()
    cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.RESNETS.NORM = 38, "BN"
    cfg.MODEL.RESNETS.OUT_FEATURES, cfg.MODEL.BACKBONE.FREEZE_AT = ["res5"], 0
    with torch.device("meta"):
        backbone = build_resnest_backbone(cfg, ShapeSpec(channels=3))
    assert names_and_shapes(backbone) == expected


def test_mmengine_builds_it(expected):
    with torch.device("meta"):
        backbone = MODELS.build(dict(type="resnest_dense.ResNeSt", architecture=NAME))
    assert names_and_shapes(backbone) == expected


def test_the_zoo_has_a_row_of_it(expected):
    figures = Figures.of(analyze_config(NAME))
    names = [*list_architectures(), *(row for folder in FOLDERS for row in config_rows(folder))]
    row = f"| `{NAME}` | {figures.parameters} | {figures.macs} | 224x224 |"
    assert row in render(dict.fromkeys(names, figures)).splitlines()


@pytest.mark.parametrize("command,digits", [(["analyze", NAME, "--size", "64x64"], 3),
                                            (["architectures"], 2)])
def test_the_command_line_knows_it(command, digits, expected, capsys):
    assert main(command) == 0
    count = sum(shape.numel() for name, shape in expected.items() if is_parameter(name))
    assert f" {count / 1e6:.{digits}f} M" in capsys.readouterr().out


def is_parameter(name):
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
