"""A config of detectron2 in which backbones take turns: what is written, refused, trained, read."""

import argparse
import json
import runpy
import sys

import pytest
from bad_input import assert_one_line
from detectron2.config import CfgNode

from resnest_dense.cli import main
from resnest_dense.comparison import Member
from resnest_dense.d2 import get_cfg
from resnest_dense.d2.train import make_parser, run
from resnest_dense.d2.train.recipe import DetectorRecipe
from resnest_dense.errors import ResNeStError
from resnest_dense.weights import InputContract

MINI = "resnest14_mask_rcnn_mini.yaml"
SMALL = ["SOLVER.IMS_PER_BATCH", "2", "SOLVER.MAX_ITER", "2", "TEST.EVAL_PERIOD", "0",
         "MODEL.RPN.POST_NMS_TOPK_TEST", "10"]
CONTRACT = InputContract("BGR", 1, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.fixture
def make(own_data, tmp_path):
    """A recipe of a config, with own data."""

    def make(config=MINI, *opts):
        args = make_parser().parse_args(own_data)
        return DetectorRecipe(argparse.Namespace(**{
            **vars(args), "config": config, "opts": [*SMALL, *opts], "out": str(tmp_path)}))

    return make


def written(recipe, member, path):
    recipe.write(member, path)
    cfg = get_cfg()
    cfg.merge_from_file(str(path))
    return cfg


@pytest.mark.parametrize("config,builder", [
    (MINI, "build_resnest_fpn_backbone"),
    ("resnet50_faster_rcnn.yaml", "build_resnest_fpn_backbone"),
    ("resnest50_retinanet.yaml", "build_retinanet_resnest_fpn_backbone")])
def test_members_differ_by_their_network_alone(make, tmp_path, config, builder):
    recipe = make(config)
    one, other = (recipe.settings(Member(name)) for name in ("resnet14d", "sknet14"))
    assert one["config"]["MODEL"]["RESNETS"].pop("ARCHITECTURE") == "resnet14d"
    assert other["config"]["MODEL"]["RESNETS"].pop("ARCHITECTURE") == "sknet14"
    assert one == other
    cfg = written(recipe, Member("sknet14"), tmp_path / "config.yaml")
    assert (cfg.MODEL.BACKBONE.NAME, cfg.MODEL.RESNETS.ARCHITECTURE) == (builder, "sknet14")
    # The classes are those of the data; nothing of the network stays random for good.
    assert cfg.MODEL.ROI_HEADS.NUM_CLASSES < 80
    assert (cfg.MODEL.BACKBONE.FREEZE_AT, cfg.MODEL.WEIGHTS) == (0, "")
    assert cfg.MODEL.BACKBONE.NAME == "build_resnest_fpn_backbone" or "retinanet" in builder
    assert recipe.analyze(tmp_path / "config.yaml").parts["res5"].parameters > 1e6


def test_weights_bring_their_input_and_keep_what_is_frozen(make, tmp_path):
    recipe = make("resnest50_faster_rcnn.yaml")
    member = Member("sknet50", "sknet50.pth", contract=CONTRACT)
    cfg = written(recipe, member, tmp_path / "config.yaml")
    assert (cfg.MODEL.WEIGHTS, cfg.MODEL.BACKBONE.FREEZE_AT) == ("sknet50.pth", 2)
    assert (cfg.INPUT.FORMAT, cfg.MODEL.PIXEL_MEAN) == ("BGR", [25.5, 51.0, 76.5])
    assert cfg.MODEL.PIXEL_STD == [102.0, 127.5, 153.0]


def test_data_are_settings_too(make, own_data):
    assert make().settings(Member("sknet14"))["data"] == own_data


@pytest.mark.parametrize("config,opts,words", [
    ("lazy/resnest50_faster_rcnn.py", [], "is a LazyConfig"),
    (MINI, ["MODEL.BACKBONE.NAME", "build_mnv2_backbone"], "build_mnv2_backbone is no ResNet"),
    (MINI, ["MODEL.RESNETS.NORM", "FrozenBN"], "MODEL.RESNETS.NORM FrozenBN: norms that do not"),
    (MINI, ["SOLVER.MAX_ITR", "1"], "SOLVER.MAX_ITR"),
])
def test_what_cannot_be_compared_is_refused(make, config, opts, words):
    with pytest.raises(ResNeStError, match=words):
        make(config, *opts).settings(Member("sknet14"))


def test_there_must_be_a_set_to_measure_on(own_data, tmp_path):
    for given, words in ((own_data[:4], "measures on nothing"),
                         (own_data[4:], "trains on nothing")):
        args = make_parser().parse_args(given)
        with pytest.raises(ResNeStError, match=words):
            DetectorRecipe(argparse.Namespace(**{
                **vars(args), "config": MINI, "opts": [], "out": str(tmp_path)}))


def test_a_member_that_cannot_be_built_is_named_first(own_data, tmp_path, capsys):
    assert_one_line(main(["compare", "resnest14,sknet14", "--config", "resnest50_dcn_faster_rcnn",
                          "--out", str(tmp_path), *own_data]),
                    capsys, ["sknet14", "no deformable form"])
    assert not list(tmp_path.glob("*/seed*"))


def test_a_run_is_the_framework_s_own_and_its_scores_are_read(make, tmp_path):
    recipe, config, out = make(), tmp_path / "config.yaml", tmp_path / "seed4"
    recipe.write(Member("sknet14"), config)
    command = recipe.training(config, 4, out)
    assert command[:3] == [sys.executable, "-m", "resnest_dense.d2.train"]
    run(make_parser().parse_args(command[3:]))
    saved = CfgNode.load_cfg((out / "config.yaml").read_text())
    assert (saved.SEED, saved.MODEL.RESNETS.ARCHITECTURE) == (4, "sknet14")
    rows = [json.loads(line) for line in (out / "metrics.json").read_text().splitlines()]
    [last] = [row for row in rows if "bbox/AP" in row]
    assert recipe.scores(out) == {"box AP": last["bbox/AP"], "mask AP": last["segm/AP"]}
    # As after an interrupt at the end: what is not measured has no scores, until it is.
    (out / "metrics.json").write_text("")
    assert recipe.scores(out) == {}
    run(make_parser().parse_args(recipe.measuring(config, out)[3:]))
    assert recipe.scores(out) == pytest.approx(
        {"box AP": last["bbox/AP"], "mask AP": last["segm/AP"]}, nan_ok=True)


def test_the_module_says_what_is_wrong_in_one_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("resnest_dense.d2.train", run_name="__main__")
    assert end.value.code == (
        "error: --config-file is missing: name a file or a shipped config.")
