"""Pixels: confusion and calibration as scikit-learn has them, costs worked out by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

from resnest_dense.report.measures.calibration import BINS, Reliability
from resnest_dense.report.measures.pixels import PixelScores


@pytest.fixture
def measured():
    rng = np.random.default_rng(0)
    scores = PixelScores(("a", "b", "c"), "iter_1.pth", worst=2)
    images = []
    for number, wrong in enumerate((0.1, 0.6, 0.3)):
        truth = rng.integers(0, 3, (20, 30))
        truth[0] = 255
        found = np.where(rng.uniform(size=truth.shape) < wrong, rng.integers(0, 3, truth.shape),
                         np.where(truth == 255, 0, truth))
        confidence = rng.uniform(0.34, 1, truth.shape)
        scores.add(f"{number}.png", truth, found, confidence)
        images.append((truth, found, confidence))
    return scores, [np.concatenate([part.ravel() for part in parts]) for parts in zip(*images)]


def test_confusion_and_calibration(measured):
    scores, (truth, found, confidence) = measured
    kept = truth != 255
    assert (scores.counts == confusion_matrix(truth[kept], found[kept])).all()
    assert scores.ignored == 90 and scores.images == 3
    right = (truth == found)[kept]
    share, mean = calibration_curve(right, confidence[kept], n_bins=BINS)
    seen = scores.reliability.count > 0
    assert scores.reliability.accuracy[seen] == pytest.approx(share)
    assert scores.reliability.confidence[seen] == pytest.approx(mean)
    assert [image.path.name for image in scores.worst] == ["1.png", "2.png"]


def test_the_calibration_error_by_hand():
    found = Reliability()
    found.add(np.array([0.95, 0.95, 0.25, 0.25]), np.array([True, False, True, False]))
    # Half of the predictions are 0.45 too sure, half 0.25 not sure enough.
    assert found.error == pytest.approx(0.5 * 0.45 + 0.5 * 0.25)
    assert np.isnan(Reliability().error)
    found.add(np.array([1.0]), np.array([True]))  # the last bin has its upper end
    assert found.count.tolist() == [0, 0, 2, 0, 0, 0, 0, 0, 0, 3]


def test_what_errors_cost_by_hand():
    truth = np.zeros((40, 40), int)
    truth[:, 20:] = 1
    found = truth.copy()
    found[:, 20:22] = 0  # 80 pixels at the border
    found[:10, 0:2] = 1  # 20 inside
    scores = PixelScores(("a", "b"), "")
    scores.add("x.png", truth, found, np.ones(truth.shape))
    # IoU of a: 780 / 880, of b: 720 / 820
    now = 50 * (780 / 880 + 720 / 820)
    assert 100 * scores.scores.mean_iou == pytest.approx(now)
    (border, border_cost), (inside, inside_cost) = scores.border_cost()
    assert (border, inside) == pytest.approx((0.8, 0.2))
    assert border_cost == pytest.approx(50 * (780 / 800 + 800 / 820) - now)
    assert inside_cost == pytest.approx(50 * (800 / 880 + 720 / 800) - now)
    first, second = scores.confused(9)
    assert (first.truth, first.found, first.pixels, first.cost) == (
        1, 0, 80, pytest.approx(border_cost))
    assert (second.truth, second.found, second.pixels) == (0, 1, 20)
