"""The preflight of a detection run: what it stops, what it lets go on; no batch is lost."""

import types

import pytest
import torch
from d2_runs import SMALL

from resnest_dense import ResNeStError, create_backbone
from resnest_dense.d2.train import make_parser, run
from resnest_dense.d2.train.trainer import peek_batch

MINI = ("--config-file", "resnest14_mask_rcnn_mini.yaml")
UNIT = ["MODEL.PIXEL_MEAN", "[0.485, 0.456, 0.406]", "MODEL.PIXEL_STD", "[0.229, 0.224, 0.225]"]


def train(own_data, tmp_path, *arguments):
    run(make_parser().parse_args([
        *MINI, *own_data, *arguments, *SMALL, "SOLVER.MAX_ITER", "1", "MODEL.DEVICE", "cpu",
        "DATASETS.TEST", "()", "OUTPUT_DIR", str(tmp_path / "run")]))


@pytest.mark.parametrize("opts,words", [
    (UNIT, "MODEL.PIXEL_MEAN.*for 0 to 1.*--ignore-preflight"),
    (["INPUT.FORMAT", "BGR"], "INPUT.FORMAT gives BGR"),
    (["MODEL.BACKBONE.FREEZE_AT", "2"], "MODEL.WEIGHTS names none.*stem"),
])
def test_what_is_certainly_wrong_stops_a_run_before_it_learns(own_data, tmp_path, opts, words):
    with pytest.raises(ResNeStError, match=words):
        train(own_data, tmp_path, *opts)
    assert not (tmp_path / "run/model_final.pth").exists()


def test_the_switch_lets_it_go_on_and_a_line_each_is_logged(own_data, tmp_path):
    train(own_data, tmp_path, "--ignore-preflight", *UNIT)
    assert (tmp_path / "run/model_final.pth").is_file()
    log = (tmp_path / "run/log.txt").read_text()
    for subject, words in (("input", "error: "), ("norms", "warning: batch statistics of fewer"),
                           ("learning rate", "warning: SOLVER.BASE_LR is 0.03"),
                           ("weights", "warning: all are random")):
        assert f"Preflight, {subject}: {words}" in log


def test_weights_are_told_in_percent(own_data, tmp_path):
    torch.save(create_backbone("resnest14").state_dict(), tmp_path / "backbone.pth")
    train(own_data, tmp_path, "MODEL.WEIGHTS", str(tmp_path / "backbone.pth"))
    log = (tmp_path / "run/log.txt").read_text()
    assert "Preflight, weights: backbone 100%" in log and "heads 0% (0 of" in log


def test_the_batch_that_was_looked_at_is_the_first_one_trained_on():
    loop = types.SimpleNamespace(_data_loader_iter=iter([1, 2, 3]))
    assert peek_batch(loop) == 1 and list(loop._data_loader_iter_obj) == [1, 2, 3]
