"""MODEL_ZOO.md against the data that it is made of."""

from pathlib import Path

import pytest

from resnest_dense import list_architectures
from resnest_dense.configs import list_configs
from resnest_dense.frameworks import analyze_config
from resnest_dense.published import find_experiment, list_experiments
from resnest_dense.published.zoo import Figures, config_rows, read_figures, render

PAGE = (Path(__file__).parents[2] / "MODEL_ZOO.md").read_text(encoding="utf-8")
FIGURES = read_figures(PAGE)
REMEDY = "run: resnest-dense zoo --out MODEL_ZOO.md"


def test_every_config_has_a_row():
    shipped = [name for framework in ("detectron2", "mmseg") for name in list_configs(framework)]
    assert shipped and not [name for name in shipped if f"`{name}`" not in PAGE], REMEDY
    rows = [*list_architectures(), *config_rows("detectron2"), *config_rows("mmseg")]
    assert set(FIGURES) == set(rows), REMEDY


def test_the_page_is_what_its_data_gives():
    assert render(FIGURES) == PAGE, REMEDY


@pytest.mark.parametrize("name", ["resnest14_mask_rcnn_mini.yaml", "resnet50_cascade_rcnn.yaml",
                                  "resnest101_fcn_ade20k.py", "resnest269"])
def test_figures_are_those_of_the_analysis(name):
    assert Figures.of(analyze_config(name)) == FIGURES[name], REMEDY


# docs/recipes.md 2.3, 4.5, 4.7 and 6.
@pytest.mark.parametrize("name,metrics,digest,dead", [
    ("resnest50_dcn_faster_rcnn", dict(box_ap=44.11), None, True),
    ("resnest101_cascade_mask_rcnn", dict(box_ap=48.30, mask_ap=41.56), "62448b9c", True),
    ("resnet101_faster_rcnn", dict(box_ap=41.37), "57c73356", True),
    ("resnest200_deeplabv3_ade20k", dict(pix_acc_ms_flip=82.45, miou_ms_flip=48.36), "7b9e7d3e",
     True),
    ("resnest101_pspnet_cityscapes", dict(miou=78.57, miou_ms_flip=79.19), "c75f3b99", False),
    ("resnest101_dcn_cascade_mask_rcnn", dict(box_ap=49.39, mask_ap=42.56), None, None),
    ("resnest101_mask_rcnn_frozenbn_3x", dict(box_ap=45.37, mask_ap=40.56), None, None),
])
def test_published_rows(name, metrics, digest, dead):
    experiment = find_experiment(name)
    assert experiment.metrics == metrics
    if dead is None:
        assert experiment.checkpoint is None and experiment.source.startswith("paper, table")
    else:
        entry = experiment.checkpoint
        assert (entry.hash and entry.hash[:8], entry.dead) == (digest, dead)


def test_published_rows_are_of_shipped_configs():
    shipped = {Path(name).stem for framework in ("detectron2", "mmseg")
               for name in list_configs(framework)}
    assert not set(list_experiments()) - shipped


def test_a_baseline_and_a_resnest_say_what_is_verified():
    rows = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}
    assert rows["resnest50_faster_rcnn.yaml"].endswith("| runs, network, recipe |")
    assert rows["resnet50_faster_rcnn.yaml"].endswith("| runs, recipe |")
    assert rows["resnest14_faster_rcnn.yaml"].endswith("| runs, network |")
    assert "wasabisys.com" in rows["resnest50_faster_rcnn.yaml"]
    assert "dead" in rows["resnest50_faster_rcnn.yaml"]
