import gc
import json

import pytest
from coco_cases import CASES, Case, write_broken_set
from PIL import Image

from resnest_dense.data.coco.check import check_coco, load_coco_json
from resnest_dense.data.coco.report import KINDS
from resnest_dense.errors import ResNeStValueError

SETTINGS = {"need_masks": True, "mask_format": "bitmask", "keypoints": 2}
UNBROKEN = Case("", (), lambda content, folder: None)


def check(folder, case, **settings):
    return check_coco(*write_broken_set(folder, case), **{**SETTINGS, **case.settings, **settings})


def test_good_set_has_no_findings(tmp_path):
    report = check(tmp_path, UNBROKEN, class_count=2, class_names=["cat", "dog"])
    report.raise_if_wrong()
    assert not report.findings
    assert (report.images, report.annotations, report.trained, report.classes) == (2, 12, 12, 2)
    assert report.per_class == {"cat": 6, "dog": 6}
    assert "no problems found" in report.table()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kinds.split()[0])
def test_broken_set_is_told_with_entry_and_remedy(case, tmp_path):
    report = check(tmp_path, case)
    kind = case.kinds.split()[0]
    assert set(report.findings) == set(case.kinds.split())
    text = report.table()
    if report.findings[kind].severity == "error":
        with pytest.raises(ResNeStValueError) as error:
            report.raise_if_wrong()
        text = str(error.value)
        assert str(tmp_path / "set.json") in text
    for words in (*case.words, KINDS[kind].remedy):
        assert words in text


def test_every_kind_has_a_case():
    assert {case.kinds.split()[0] for case in CASES} == set(KINDS)


def test_all_errors_are_told_at_once(tmp_path):
    def breaks(content, folder):
        content["annotations"][0]["bbox"] = [1, 2, -3, 4]
        content["annotations"][3]["bbox"] = [1, 2, -3, 4]
        content["annotations"][1]["category_id"] = 7
        (folder / "b.png").unlink()

    report = check(tmp_path, Case("", (), breaks))
    assert {finding.kind: finding.count for finding in report.errors} == {
        "bbox-negative-size": 2, "annotation-category-unknown": 1, "image-missing": 1}
    with pytest.raises(ResNeStValueError, match="(?s)bbox-neg.*category-unknown|category-unknown.*"
                                                "bbox-neg") as error:
        report.raise_if_wrong()
    assert "image-missing" in str(error.value)


def test_entries_of_a_kind_are_counted(tmp_path):
    def breaks(content, folder):
        for entry in content["annotations"][2:5]:
            del entry["area"]

    finding = check(tmp_path, Case("", (), breaks)).findings["area-missing"]
    assert finding.count == 3 and "annotation id 3 of" in finding.examples[0]


def test_repeats_are_counted_without_the_first(tmp_path):
    def breaks(content, folder):
        for entry in content["annotations"][:3]:
            entry["id"] = 1

    report = check(tmp_path, Case("", (), breaks))
    assert report.findings["annotation-id-repeated"].count == 2


def test_missing_ids_do_not_find_each_other(tmp_path):
    def breaks(content, folder):
        del content["images"][1]["id"]
        for entry in content["annotations"][6:]:
            del entry["image_id"]

    assert check(tmp_path, Case("", (), breaks)).trained == 6


def test_rounding_at_the_border_is_no_finding(tmp_path):
    def breaks(content, folder):
        content["annotations"][0].update(
            bbox=[-0.5, -0.5, 65, 49], segmentation=[[-0.5, -0.5, 64.5, -0.5, 64.5, 48.5]])

    assert not check(tmp_path, Case("", (), breaks)).findings


@pytest.mark.parametrize("kind", [name for name in KINDS if KINDS[name].severity == "evaluation"])
def test_what_only_evaluation_needs_does_not_stop_training(kind, tmp_path):
    case = next(case for case in CASES if case.kinds.split()[0] == kind)
    report = check(tmp_path, case, evaluated=False)
    report.raise_if_wrong()
    assert report.findings[kind].severity == "note"


def test_dropped_are_counted_and_do_not_stop(tmp_path):
    def breaks(content, folder):
        content["annotations"][0]["bbox"][2] = 0
        content["annotations"][1]["image_id"] = 99
        content["annotations"][2]["segmentation"] = [[1, 2, 3, 4, 5]]
        content["annotations"][3]["iscrowd"] = 1

    report = check(tmp_path, Case("", (), breaks), need_masks=False)
    report.raise_if_wrong()
    assert report.trained == 8
    assert "12 annotations (8 to train on)" in report.table()


def test_masks_and_keypoints_are_not_asked_for_in_vain(tmp_path):
    def breaks(content, folder):
        for entry in content["annotations"]:
            entry["segmentation"] = []
            del entry["keypoints"], entry["num_keypoints"]

    assert not check(tmp_path, Case("", (), breaks), need_masks=False, keypoints=None).findings


def test_unmarked_keypoints_may_lie_anywhere(tmp_path):
    def breaks(content, folder):
        content["annotations"][0]["keypoints"] = [-9, -9, 0, 5, 5, 2]

    assert not check(tmp_path, Case("", (), breaks)).findings


def test_a_missing_class_is_told_by_name(tmp_path):
    finding = check(tmp_path, UNBROKEN, class_names=["cat", "dog", "cow"]).findings["class-names"]
    assert finding.examples == ["class 2 is 'cow' in the model, None in the set"]


def test_keypoints_must_be_finite(tmp_path):
    def breaks(content, folder):
        content["annotations"][0]["keypoints"][1] = float("nan")

    assert set(check(tmp_path, Case("", (), breaks)).findings) == {"keypoints-form"}


def test_unopened_images_are_not_missed(tmp_path):
    case = Case("", (), lambda content, folder: (folder / "b.png").unlink())
    assert not check(tmp_path, case, check_images=False).findings


def test_whole_images_with_trailing_bytes_pass(tmp_path):
    def breaks(content, folder):
        for name in ("a.jpg", "b.png"):
            with open(folder / name, "ab") as file:
                file.write(bytes(1000))

    assert not check(tmp_path, Case("", (), breaks)).findings


def test_palette_images_pass(tmp_path):
    def breaks(content, folder):
        Image.new("P", (64, 48)).save(folder / "b.png")

    assert not check(tmp_path, Case("", (), breaks)).findings


def test_minival_sets_may_repeat_annotation_ids(tmp_path):
    # detectron2 makes the same exception for COCO 2014's own sets.
    json_path, root = write_broken_set(
        tmp_path, Case("", (), lambda content, folder: content["annotations"][1].update(id=1)))
    renamed = json_path.rename(tmp_path / "instances_minival2014.json")
    assert not check_coco(renamed, root).findings


@pytest.mark.parametrize("split, images, per_class", [
    ("train", 205, {"RBC": 2381, "WBC": 214, "Platelets": 209}),
    ("val", 87, {"RBC": 967, "WBC": 87, "Platelets": 83}),
    ("test", 72, {"RBC": 805, "WBC": 71, "Platelets": 69}),
])
def test_real_boxes_pass(split, images, per_class, shared_data):
    root = shared_data("bccd")
    report = check_coco(root / f"annotations/instances_{split}.json", root / split, class_count=3)
    report.raise_if_wrong()
    assert not report.findings
    assert (report.images, report.trained) == (images, sum(per_class.values()))
    assert report.per_class == per_class


def test_real_masks_and_crowds_pass(shared_data):
    root = shared_data("coco_panoptic_sample")
    report = check_coco(root / "annotations/instances_val2017.json", root / "val2017",
                        class_count=80, need_masks=True, mask_format="polygon")
    assert {name: finding.count for name, finding in report.findings.items()} == {
        "category-ids-gap": 1, "category-unused": 76, "crowd": 3}
    assert report.trained == 40


GOOD = '{"images": [], "annotations": [], "categories": []}'


@pytest.mark.parametrize("text, words", [
    (None, "cannot be read (No such file"),
    ("", "ends too early"),
    (GOOD[:-20], "at line 1, column"),
    (GOOD[:-20], "copy or download it again"),
    (GOOD.replace(":", "="), "Correct it there"),
    (b"\x1f\x8b\x08", "no UTF-8 text"),
    (GOOD.encode("utf-16-le"), "no UTF-8 text"),
    (GOOD.replace("[]}", '[{"id": 1, "name": "\xe9"}]}').encode("latin-1"), "save it as UTF-8"),
    ("[" * 99999, "no JSON that can be read: maximum recursion"),
    (GOOD.replace("[]", "9" * 5000, 1), "no JSON that can be read: Exceeds the limit"),
    ("[]", "holds a JSON list"),
    ('{"images": [], "annotations": []}', "has no 'categories'"),
    ('{"segments_info": []}', "no 'images' and no 'annotations' and no 'categories'"),
    (GOOD.replace("[]", "{}", 1), "'images' is a dict"),
    (GOOD.replace("[]", "[null]", 1), "images[0] is None"),
    (GOOD.replace("[]}", '[{"name": "cat"}]}'), "categories[0] has id=None"),
    (GOOD.replace("[]}", '[{"id": "1", "name": "cat"}]}'), "categories[0] has id='1'"),
    (GOOD.replace("[]}", '[{"id": true, "name": "cat"}]}'), "categories[0] has id=True"),
    (GOOD.replace("[]}", '[{"id": 1}]}'), "categories[0] has name=None"),
])
def test_unusable_file_is_refused_with_place_and_remedy(text, words, tmp_path):
    path = tmp_path / "set.json"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ResNeStValueError) as error:
        load_coco_json(path)
    assert words in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_whose_mark_names_its_encoding_is_read(encoding, tmp_path):
    (tmp_path / "set.json").write_text(GOOD, encoding=encoding)
    assert load_coco_json(tmp_path / "set.json") == json.loads(GOOD)


def test_a_set_without_annotations_is_checked_but_for_them(tmp_path):
    def breaks(content, folder):
        del content["annotations"]
        (folder / "b.png").unlink()

    assert set(check(tmp_path, Case("", (), breaks), annotated=False).findings) == {"image-missing"}


def test_garbage_collection_comes_back(tmp_path):
    (tmp_path / "good.json").write_text(GOOD)
    assert load_coco_json(tmp_path / "good.json") == json.loads(GOOD)
    with pytest.raises(ResNeStValueError):
        load_coco_json(tmp_path / "missing.json")
    assert gc.isenabled()
