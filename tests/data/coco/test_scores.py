"""AP of results in COCO's format: cases whose AP follows from its definition, and real ones."""

import copy
import json

import pytest

from resnest_dense import ResNeStError
from resnest_dense.data.coco.scores import CocoTruth

SQUARE = [10, 10, 110, 10, 110, 110, 10, 110]
TRUTH = {"images": [{"id": 7, "file_name": "a.jpg", "width": 300, "height": 200}],
         "categories": [{"id": 3, "name": "cell"}],
         "annotations": [
             {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 10, 100, 100], "iscrowd": 0,
              "area": 10000, "segmentation": [SQUARE]},
             {"id": 2, "image_id": 7, "category_id": 3, "bbox": [200, 100, 50, 50], "iscrowd": 0,
              "area": 2500, "segmentation": [[200, 100, 250, 100, 250, 150, 200, 150]]}]}
FOUND = {"image_id": 7, "category_id": 3, "score": 0.9, "bbox": [10, 10, 100, 100]}


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(TRUTH))
    return CocoTruth(path)


def test_a_truth_knows_its_images_and_categories(truth):
    assert (truth.images, truth.categories) == ({7: "a.jpg"}, {3: "cell"})


@pytest.mark.parametrize("results, expected", [
    ([], 0.0),
    # Precision 1 at 51 of the 101 recalls.
    ([FOUND], 100 * 51 / 101),
    # IoU 0.8: it counts at 7 of the 10 thresholds.
    ([{**FOUND, "bbox": [10, 10, 100, 80]}], 70 * 51 / 101),
    ([{**FOUND, "bbox": [120, 10, 60, 60]}], 0.0)])
def test_average_precision_is_that_of_its_definition(results, expected, truth):
    given = copy.deepcopy(results)
    assert truth.score(results, [7]) == pytest.approx({"box AP": expected} if results else {
        "box AP": 0.0, "mask AP": 0.0})
    assert results == given


def test_masks_are_scored_where_both_sides_have_them(truth):
    scores = truth.score([{**FOUND, "bbox": [0, 0, 9, 9], "segmentation": [SQUARE]}], [7])
    assert scores == pytest.approx({"box AP": 0.0, "mask AP": 100 * 51 / 101})


def test_real_boxes_moved_by_three_pixels_score_what_their_description_says(shared_data):
    path = shared_data("bccd") / "annotations/instances_val.json"
    annotations = json.loads(path.read_text())["annotations"]
    results = [{"image_id": one["image_id"], "category_id": one["category_id"],
                "bbox": [value + 3 for value in one["bbox"]], "score": 0.5 + one["id"] % 97 / 200}
               for one in annotations]
    truth = CocoTruth(path)
    assert truth.score(results, [*truth.images])["box AP"] == pytest.approx(62.4, abs=0.05)


@pytest.mark.parametrize("text", ["[]", "{", '{"images": []}', json.dumps(
    {**TRUTH, "annotations": []})])
def test_what_is_no_truth_is_refused(text, tmp_path):
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(ResNeStError, match="wrong.json"):
        CocoTruth(path)
    with pytest.raises(ResNeStError, match="nowhere.json"):
        CocoTruth(tmp_path / "nowhere.json")
