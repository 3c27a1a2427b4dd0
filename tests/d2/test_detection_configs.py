"""The shipped detection configs against the published recipes."""

import re

import pytest
import torch
from d2_recipes import FAMILY, PUBLISHED, UNPUBLISHED, expected_settings, network_of
from detectron2.config import get_cfg as get_stock_cfg
from detectron2.modeling import build_model

from resnest_dense import ResNeStError
from resnest_dense.configs import find_config, list_configs
from resnest_dense.d2 import add_resnest_config, get_cfg

NAMES = [n for n in list_configs("detectron2") if n.endswith(".yaml")]
LEAVES = [n for n in NAMES if n != "resnest14_mask_rcnn_mini.yaml"]


def read(name):
    cfg = get_cfg()
    cfg.merge_from_file(str(find_config(name, "detectron2")))
    return cfg


def value(cfg, key):
    for part in key.split("."):
        cfg = cfg[part]
    return cfg


def test_there_are_21_published_experiments():
    assert len(PUBLISHED) == 21


@pytest.mark.parametrize("name", PUBLISHED | UNPUBLISHED)
def test_effective_settings_are_the_published_ones(name):
    cfg = read(f"{name}.yaml")
    expected, weights = expected_settings(name)
    assert {key: value(cfg, key) for key in expected} == expected
    assert cfg.MODEL.WEIGHTS.endswith(weights)


@pytest.mark.parametrize("name", LEAVES)
def test_a_config_states_its_recipe_in_a_few_lines(name):
    text = find_config(name, "detectron2").read_text()
    assert len(text.splitlines()) <= 12
    comment = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    cfg = read(name)
    low, high = cfg.INPUT.MIN_SIZE_TRAIN[0], cfg.INPUT.MIN_SIZE_TRAIN[-1]
    frozen = cfg.MODEL.RESNETS.NORM == "FrozenBN"
    for words in (
        f"{cfg.SOLVER.IMS_PER_BATCH} images", f"LR {cfg.SOLVER.BASE_LR}",
        f"{cfg.SOLVER.MAX_ITER // 1000}k iterations", f"{low} to {high}", cfg.INPUT.FORMAT,
        f"long side to {cfg.INPUT.MAX_SIZE_TRAIN}", "stem and res2 frozen",
        "Frozen BN" if frozen else "SyncBN", "no PreciseBN" if frozen else "PreciseBN over 200",
    ):
        assert words in comment
    assert "no published figure" in comment or "AP" in comment


@pytest.mark.parametrize("name", LEAVES)
def test_a_name_says_what_the_experiment_is(name):
    network = network_of(name)
    dcn, method, norm, schedule = re.fullmatch(
        r"(_dcn)?_([a-z_]*(?:rcnn|fpn|retinanet))(_frozenbn|_gn)?"
        r"(_3x|_tricks_3x|_1gpu)?\.yaml", name.removeprefix(network)).groups()
    cfg = read(name)
    assert network == cfg.MODEL.RESNETS.ARCHITECTURE or (
        int(re.sub(r"\D", "", network)) == cfg.MODEL.RESNETS.DEPTH)
    assert (network in FAMILY or network.startswith("resnest")) == (
        "resnest" in cfg.MODEL.BACKBONE.NAME)
    assert bool(dcn) == any(cfg.MODEL.RESNETS.DEFORM_ON_PER_STAGE)
    assert ("mask" in method or method == "panoptic_fpn") == cfg.MODEL.MASK_ON
    assert ("keypoint" in method) == cfg.MODEL.KEYPOINT_ON
    assert {None: "SyncBN", "_frozenbn": "", "_gn": "GN"}[norm] == cfg.MODEL.FPN.NORM
    assert ({None: 90000, "_1gpu": 720000}.get(schedule, 270000)) == cfg.SOLVER.MAX_ITER


def test_retinanet_has_the_anchors_of_detectron2():
    cfg = read("resnest50_retinanet.yaml")
    expected = [x * 2 ** (i / 3) for x in (32, 64, 128, 256, 512) for i in range(3)]
    assert sum(cfg.MODEL.ANCHOR_GENERATOR.SIZES, []) == pytest.approx(expected, rel=1e-7)
    assert cfg.SOLVER.BASE_LR == 0.01 and cfg.MODEL.RETINANET.SMOOTH_L1_LOSS_BETA == 0.0


# test_experiments.py builds the published ones.
@pytest.mark.parametrize("name", [n for n in NAMES if n.removesuffix(".yaml") not in PUBLISHED])
def test_every_other_config_builds(name):
    cfg = read(name)
    cfg.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        model = build_model(cfg)
    assert sum(p.numel() for p in model.parameters()) > 5e6


def test_our_keys_change_no_stock_key():
    stock, ours = get_stock_cfg(), get_stock_cfg()
    add_resnest_config(ours)
    for node, known in ((ours.MODEL.RESNETS, stock.MODEL.RESNETS), (ours.SOLVER, stock.SOLVER),
                        (ours.TEST, stock.TEST), (ours.DATALOADER, stock.DATALOADER)):
        for key in {*node} - {*known}:
            del node[key]
    assert ours == stock


def test_official_defaults_of_our_keys():
    keys = get_cfg().MODEL.RESNETS
    assert (keys.DEEP_STEM, keys.AVD, keys.AVG_DOWN, keys.RADIX, keys.BOTTLENECK_WIDTH) == (
        True, True, True, 2, 64)


def test_names_resolve_to_a_path_first_then_to_a_shipped_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = find_config("resnest50_faster_rcnn.yaml", "detectron2")
    assert find_config("resnest50_faster_rcnn", "detectron2") == shipped
    (tmp_path / "resnest50_faster_rcnn.yaml").write_text("VERSION: 2\n")
    assert find_config("resnest50_faster_rcnn.yaml", "detectron2") != shipped
    with pytest.raises(ResNeStError, match="resnest50_faster_rcnn.yaml"):
        find_config("resnest50_fastr_rcnn.yaml", "detectron2")
