"""A config of MMSegmentation in which backbones take turns: written, refused, trained, read."""

import argparse
import json
import runpy
import sys

import pytest
from bad_input import assert_one_line

from resnest_dense.cli import main
from resnest_dense.comparison import Member
from resnest_dense.errors import ResNeStError
from resnest_dense.mmseg.config import load_config
from resnest_dense.mmseg.run import evaluate, train
from resnest_dense.mmseg.run.recipe import SegmentorRecipe
from resnest_dense.weights import InputContract

CONTRACT = InputContract("BGR", 1, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.fixture
def make(config, tmp_path):
    """A recipe of the tiny config, or of another one."""

    def make(*opts, name=None, **data):
        return SegmentorRecipe(argparse.Namespace(**{
            "config": name or str(config), "opts": list(opts), "out": str(tmp_path / "out"),
            "train": None, "val": None, "classes": None, "reduce_zero_label": False, **data}))

    return make


def test_members_differ_by_their_network_alone(make, tmp_path):
    recipe = make("model.backbone.frozen_stages=1")
    one, other = (recipe.settings(Member(name)) for name in ("resnet14d", "sknet14"))
    assert one["model"]["backbone"].pop("architecture") == "resnet14d"
    assert other["model"]["backbone"].pop("architecture") == "sknet14"
    assert one == other and "seed" not in one["randomness"]
    path = tmp_path / "config.py"
    recipe.write(Member("sknet14"), path)
    model = load_config(path).model
    assert (model.backbone.architecture, model.backbone.init_cfg) == ("sknet14", None)
    assert (model.backbone.frozen_stages, model.backbone.output_stride) == (-1, 8)
    assert recipe.analyze(path).parts["res4"].parameters > 1e6


def test_weights_bring_their_input_and_keep_what_is_frozen(make, tmp_path):
    recipe, path = make("model.backbone.frozen_stages=1"), tmp_path / "config.py"
    recipe.write(Member("sknet50", "sknet50.pth", contract=CONTRACT), path)
    model = load_config(path).model
    assert model.backbone.init_cfg == dict(type="Pretrained", checkpoint="sknet50.pth")
    assert model.backbone.frozen_stages == 1
    given = model.data_preprocessor
    assert (given.mean, given.std, given.bgr_to_rgb) == (
        [25.5, 51.0, 76.5], [102.0, 127.5, 153.0], False)


def test_own_data_are_settings_too(make, folders, tmp_path):
    (tmp_path / "classes.txt").write_text("a\nb\n")
    pair = list(map(str, folders))
    found = make(name="resnest14_deeplabv3_ade20k", train=[pair], val=pair,
                 classes=str(tmp_path / "classes.txt")).settings(Member("sknet14"))
    data = found["train_dataloader"]["dataset"]
    assert [data["images"], data["labels"]] == pair and data["classes"] == ["a", "b"]
    assert found["model"]["decode_head"]["num_classes"] == 2


@pytest.mark.parametrize("name,opts,words", [
    ("resnet50_deeplabv3_ade20k", [], "model.backbone is 'ResNetV1c'"),
    (None, ["load_from=whole.pth"], "load_from is 'whole.pth'"),
    (None, ["model.backbone.norm_cfg.type=FrozenBN"], "model.backbone.norm_cfg.type FrozenBN"),
    (None, ["train_dataloader=None"], "no train_dataloader"),
    (None, ["max_iters=1"], "max_iters"),
])
def test_what_cannot_be_compared_is_refused(make, name, opts, words):
    with pytest.raises(ResNeStError, match=words):
        make(*opts, name=name).settings(Member("sknet14"))


def test_what_fits_no_member_is_said_first(config, tmp_path, capsys):
    assert_one_line(main(["compare", "resnest14,sknet14", "--config", str(config), "--out",
                          str(tmp_path / "out"), "--opts", "model.decode_head.in_channels=5000"]),
                    capsys, ["resnest14"])
    assert not list(tmp_path.glob("out/*/seed*"))


def test_a_run_is_the_framework_s_own_and_its_scores_are_read(make, tmp_path):
    recipe, path, out = make(), tmp_path / "config.py", tmp_path / "seed4"
    recipe.write(Member("sknet14"), path)
    command = recipe.training(path, 4, out)
    assert command[:4] == [sys.executable, "-m", "resnest_dense.mmseg.run", "train"]
    train.run(train.make_parser().parse_args(command[4:]))
    saved = load_config(out / "config.py")
    assert (saved.randomness.seed, saved.model.backbone.architecture) == (4, "sknet14")
    [log] = out.glob("*/vis_data/scalars.json")
    [last] = [row for row in map(json.loads, log.read_text().splitlines()) if "mIoU" in row]
    assert recipe.scores(out) == {"mIoU": last["mIoU"]}
    # As after an interrupt at the end: what is not measured has no scores, until it is.
    log.write_text("")
    assert recipe.scores(out) == {}
    command = recipe.measuring(path, out)
    assert command[3] == "test"
    evaluate.run(evaluate.make_parser().parse_args(command[4:]))
    assert recipe.scores(out) == {"mIoU": pytest.approx(last["mIoU"])}


def test_the_module_says_what_is_wrong_in_one_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["run", "train", "none.py"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("resnest_dense.mmseg.run", run_name="__main__")
    assert end.value.code.startswith("error: No config 'none.py'")
