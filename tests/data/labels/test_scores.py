"""Scores of label maps, by hand and on real predictions with known scores."""

import json

import numpy as np
import pytest
from PIL import Image

from resnest_dense import ResNeStValueError
from resnest_dense.cli import main
from resnest_dense.data.labels.scores import areas, score_areas, score_folders

LABEL = np.array([[0, 0, 1], [1, 2, 255]])
PREDICTION = np.array([[0, 1, 1], [1, 9, 0]])


def test_areas_by_hand():
    # Class 2 is answered by 9, which is no class; the ignored pixel counts nowhere.
    assert areas(PREDICTION, LABEL, 4).tolist() == [[1, 2, 0, 0], [1, 3, 0, 0], [2, 2, 1, 0]]


def test_scores_by_hand():
    scores = score_areas([areas(PREDICTION, LABEL, 4)])
    assert scores.pixel_accuracy == pytest.approx(3 / 5)
    assert scores.mean_accuracy == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert scores.mean_iou == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert scores.mean_iou_all == pytest.approx((1 / 2 + 2 / 3) / 4)
    assert np.isnan(scores.iou[3])


def test_areas_are_summed_before_they_are_divided():
    parts = [areas(PREDICTION[i:i + 1], LABEL[i:i + 1], 4) for i in range(2)]
    assert score_areas(parts).mean_iou == score_areas([areas(PREDICTION, LABEL, 4)]).mean_iou


@pytest.mark.parametrize("folder", ["predictions", "predictions_shifted"])
def test_real_predictions_have_their_known_scores(shared_data, folder):
    data = shared_data("ade20k_sample")
    known = json.loads((data / "expected_metrics.json").read_text())[folder]
    scores = score_folders(data / folder, data / "annotations/validation", 150,
                           reduce_zero_label=True)
    assert scores.pixel_accuracy == pytest.approx(known["pixel_accuracy"], abs=1e-6)
    assert scores.mean_accuracy == pytest.approx(known["mean_accuracy"], abs=1e-6)
    assert scores.mean_iou == pytest.approx(known["miou_over_seen_classes"], abs=1e-6)
    assert scores.mean_iou_all == pytest.approx(known["miou_over_150"], abs=1e-6)


@pytest.mark.parametrize("prediction,said", [
    (PREDICTION[:1], r"prediction is \(1, 3\)"),
    (PREDICTION, "from 0 to 2, and there are 2 classes")])
def test_maps_that_cannot_be_compared_say_why(prediction, said):
    with pytest.raises(ResNeStValueError, match=said):
        areas(prediction, LABEL, 2)


def test_what_a_mean_leaves_out_is_named(tmp_path, capsys):
    label = np.full((10, 10), 255, np.uint8)
    label[:6] = 0
    label[6, 0] = 2
    for folder in ("predictions", "labels"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.minimum(label, 2)).save(tmp_path / folder / "a.png")
    Image.fromarray(label).save(tmp_path / "labels/a.png")
    (tmp_path / "classes.txt").write_text("sky\nsea\nland\n")
    assert main(["score-labels", str(tmp_path / "predictions"), str(tmp_path / "labels"),
                 "--classes", str(tmp_path / "classes.txt")]) == 0
    said = capsys.readouterr().out
    assert "39.0% of the pixels are ignored; 1 of 3 classes are in no label" in said
    assert "counts those predicted as 0: sea." in said
