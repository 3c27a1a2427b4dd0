"""AP as pycocotools' own summary has it; errors and their costs as TIDE's own code."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from report_cases import random_set, scored, write_set
from sklearn.metrics import confusion_matrix
from tidecv import TIDE, Data

from resnest_dense.errors import ResNeStError
from resnest_dense.report.measures import kinds
from resnest_dense.report.measures.confusion import best_threshold, confusion
from resnest_dense.report.measures.instances import measure
from resnest_dense.report.measures.kinds import average_precision, cost_of_kinds, kinds_of

# What TIDE calls our kinds.
TIDE_NAMES = {"classification": "Cls", "localisation": "Loc", "both": "Both", "duplicate": "Dupe",
              "background": "Bkg", "missed": "Miss"}


def box(image, label, place, score=None):
    return dict(image_id=image, category_id=label, bbox=place, **(
        {} if score is None else {"score": score}))


def objects(*entries):
    return [dict(entry, id=i + 1, iscrowd=0, area=entry["bbox"][2] * entry["bbox"][3])
            for i, entry in enumerate(entries)]


@pytest.mark.parametrize("crowds", [0, 1])
def test_ap_is_that_of_pycocotools(tmp_path, crowds):
    scores = scored(tmp_path, seed=1, crowds=crowds)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / "truth.json"))
        found = truth.loadRes(str(scores.files.results))
        run = COCOeval(truth, found, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    ours = [scores.ap(), scores.ap(iou=0.5), scores.ap(iou=0.75),
            *(scores.ap(size=size) for size in ("small", "medium", "large")), scores.recall()]
    assert ours == pytest.approx(100 * run.stats[[0, 1, 2, 3, 4, 5, 8]], abs=1e-9)
    by_class = [scores.ap(iou=0.5, of=i) for i in range(3)]
    assert np.mean(by_class) == pytest.approx(ours[1])
    assert [scores.count(of=i) for i in range(3)] == [37, 41, 53]
    pairs = [(image.scores[kept], image.match[kept] >= 0) for image in scores.images
             for kept in [(image.classes == 1) & ~image.ignored]]
    again = average_precision(*map(np.concatenate, zip(*pairs)), 41)
    assert again == pytest.approx(by_class[1], abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_kinds_and_their_costs_are_those_of_tide(tmp_path, monkeypatch, seed):
    # pycocotools' recalls are i * 0.01, TIDE's i / 100, which differ in the last bit.
    monkeypatch.setattr(kinds, "_RECALLS", np.arange(101) / 100)
    scores = scored(tmp_path, seed=seed)
    truth, found = Data("truth"), Data("found")
    for entry in json.loads((tmp_path / "truth.json").read_text())["annotations"]:
        truth.add_ground_truth(entry["image_id"], entry["category_id"], entry["bbox"])
    for entry in json.loads(scores.files.results.read_text()):
        found.add_detection(entry["image_id"], entry["category_id"], entry["score"], entry["bbox"])
    tide = TIDE()
    run = tide.evaluate(truth, found, mode=TIDE.BOX)
    costs = cost_of_kinds(scores.images, 3)
    main, special = tide.get_main_errors()["found"], tide.get_special_errors()["found"]
    counts = {kind.short_name: count for kind, count in run.count_errors().items()}
    assert run.ap == pytest.approx(scores.ap(iou=0.5), abs=1e-9)
    assert {kind: costs[kind].count for kind in TIDE_NAMES} == {
        kind: counts[name] for kind, name in TIDE_NAMES.items()}
    assert min(counts.values()) > 0
    for kind, name in TIDE_NAMES.items():
        assert costs[kind].ap == pytest.approx(main[name], abs=1e-9), kind
    assert costs["false positives"].ap == pytest.approx(special["FalsePos"], abs=1e-9)
    assert costs["not met"].ap == pytest.approx(special["FalseNeg"], abs=1e-9)


def test_each_kind_by_hand(tmp_path):
    files = write_set(tmp_path, objects(
        box(1, 1, [0, 0, 10, 10]), box(1, 1, [50, 0, 10, 10]), box(1, 2, [100, 0, 10, 10]),
        box(1, 1, [150, 0, 10, 10])), [
        box(1, 1, [0, 0, 10, 10], 0.9), box(1, 1, [0, 0, 10, 9], 0.8),  # right; a duplicate
        box(1, 1, [54, 0, 10, 10], 0.7),  # IoU 60 / 140
        box(1, 1, [100, 0, 10, 10], 0.6), box(1, 3, [54, 0, 10, 10], 0.5),  # class; both
        box(1, 1, [0, 100, 10, 10], 0.4)])
    (scores,) = measure(files)
    (image,) = scores.images
    found, targets = kinds_of(image)
    assert found == ["", "duplicate", "localisation", "classification", "both", "background"]
    assert [*image.truth[targets[[2, 3]]]] == [2, 3] and {*targets[[0, 1, 4, 5]]} == {-1}
    costs = cost_of_kinds(scores.images, 3)
    assert [costs[kind].count for kind in TIDE_NAMES] == [1, 1, 1, 1, 1, 1]
    assert costs["not met"].count == 3 and costs["false positives"].count == 5


def test_the_confusion_is_that_of_matched_pairs(tmp_path):
    files = write_set(tmp_path, objects(
        box(1, 1, [0, 0, 10, 10]), box(1, 2, [50, 0, 10, 10]), box(1, 2, [100, 0, 10, 10])), [
        box(1, 1, [0, 0, 10, 10], 0.9), box(1, 3, [0, 0, 10, 10], 0.85),  # right; nothing is left
        box(1, 1, [50, 0, 10, 10], 0.8), box(1, 2, [0, 150, 10, 10], 0.7),
        box(1, 2, [100, 0, 10, 10], 0.2)])
    (scores,) = measure(files)
    # truth and prediction of each pair, background being 3
    pairs = [(0, 0), (3, 2), (1, 0), (3, 1), (2, 3)]
    pairs[-1] = (1, 3)  # the one at 0.2 is below the threshold
    expected = confusion_matrix(*zip(*pairs), labels=range(4))
    assert (confusion(scores.images, 3, 0.5) == expected).all()
    assert confusion(scores.images, 3, 0.0)[1].tolist() == [1, 1, 0, 0]


def test_the_threshold_is_where_f1_is_best(tmp_path):
    scores = scored(tmp_path)

    def f1(threshold):
        counts = confusion(scores.images, 3, threshold)
        right = counts[:3, :3].trace()
        return 2 * right / (counts[:, :3].sum() + sum(scores.count(of=i) for i in range(3)))

    every = np.unique(np.concatenate([image.scores for image in scores.images]))
    assert f1(best_threshold(scores.images)) == max(map(f1, every))


def test_crowds_are_neither_right_nor_wrong(tmp_path):
    crowd = dict(box(1, 1, [100, 0, 90, 90]), id=2, iscrowd=1, area=8100, segmentation=[])
    files = write_set(tmp_path, [*objects(box(1, 1, [0, 0, 10, 10])), crowd], [
        box(1, 1, [0, 0, 10, 10], 0.9), box(1, 1, [120, 20, 10, 10], 0.8),
        box(1, 2, [120, 20, 10, 10], 0.7)])
    (scores,) = measure(files)
    (image,) = scores.images
    assert image.ignored.tolist() == [False, True, False]
    assert confusion(scores.images, 3, 0.0).tolist() == [
        [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert kinds_of(image)[0] == ["", "", "background"]
    assert scores.ap(of=0) == pytest.approx(100)


def test_files_that_do_not_do(tmp_path):
    files = random_set(tmp_path)
    files.results.write_text("[{")
    with pytest.raises(ResNeStError, match="cannot be read"):
        measure(files)
    files.results.write_text("[]")
    assert measure(files) == []
    files.truth.write_text(files.truth.read_text() + " ")
    with pytest.raises(ResNeStError, match="not what it was when training started"):
        measure(files)
    files.results.unlink()
    with pytest.raises(ResNeStError, match="no predictions .* yet"):
        measure(files)
