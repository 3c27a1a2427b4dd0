"""The check of panoptic sets: every kind of fault is told by entry, and real data pass."""

import json

import pytest
from coco_cases import Case
from panoptic_cases import PANOPTIC_CASES, write_broken_panoptic, write_good_panoptic

from resnest_dense.data.coco.check import check_coco
from resnest_dense.data.panoptic.check import PANOPTIC_KINDS, check_panoptic
from resnest_dense.data.panoptic.reading import load_panoptic_json
from resnest_dense.errors import ResNeStValueError

UNBROKEN = Case("", (), lambda content, folder: None)


def check(folder, case, **settings):
    panoptic, pngs, images, instances = write_broken_panoptic(folder, case)
    return check_panoptic(panoptic, pngs, images, **{
        "thing_count": 2, "stuff_count": 2, "instances_json": instances,
        "stuff_root": folder / "stuff", **case.settings, **settings})


def findings(report):
    return set(report.findings) - {"category-ids-gap"}


def test_good_set_has_no_findings(tmp_path):
    report = check(tmp_path, UNBROKEN)
    assert not findings(report)
    assert "2 images, 8 segments, 4 classes" in report.table()
    assert report.per_class == {"cat": 2, "dog": 2, "sky": 2, "grass": 2}


@pytest.mark.parametrize("case", PANOPTIC_CASES, ids=lambda case: case.kinds.split()[0])
def test_broken_set_is_told_with_entry_and_remedy(case, tmp_path):
    report = check(tmp_path, case)
    kind = case.kinds.split()[0]
    assert findings(report) == set(case.kinds.split())
    text = report.table()
    if report.findings[kind].severity == "error":
        with pytest.raises(ResNeStValueError) as error:
            report.raise_if_wrong()
        text = str(error.value)
    for words in (*case.words, PANOPTIC_KINDS[kind].remedy):
        assert words in text


def test_every_kind_has_a_case():
    assert {case.kinds.split()[0] for case in PANOPTIC_CASES} == set(PANOPTIC_KINDS)


def test_what_only_evaluation_needs_does_not_stop_training(tmp_path):
    case = next(case for case in PANOPTIC_CASES if case.kinds == "segment-area")
    check(tmp_path, case, evaluated=False).raise_if_wrong()


def test_a_limit_reads_fewer_pngs_but_all_must_exist(tmp_path):
    by_kind = {case.kinds: case for case in PANOPTIC_CASES}
    for number, (kind, found) in enumerate((("png-colour-unknown", False), ("png-missing", True))):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert (kind in check(folder, by_kind[kind], limit=1).findings) is found


def test_real_panoptic_data_pass(shared_data):
    root = shared_data("coco_panoptic_sample")
    report = check_panoptic(root / "annotations/panoptic_val2017.json", root / "panoptic_val2017",
                            root / "val2017", thing_count=80, stuff_count=53,
                            instances_json=root / "annotations/instances_val2017.json",
                            stuff_root=root / "panoptic_stuff_val2017")
    assert not findings(report)
    assert (report.images, report.annotations, report.classes) == (2, 50, 133)


@pytest.mark.parametrize("change, words", [
    (lambda c: c["annotations"][1].pop("segments_info"), "annotations[1] has no list of objects"),
    (lambda c: c["annotations"][1].update(image_id=[2]), "annotations[1] has image_id=[2]"),
    (lambda c: c["annotations"][1]["segments_info"][0].update(category_id={}),
     "a segment of annotations[1] has category_id={}"),
    (lambda c: c["images"][0].update(id=[1]), "images[0] has id=[1]"),
    (lambda c: c["categories"][0].pop("isthing"), "category 'cat' has isthing=None"),
    (lambda c: c["categories"][2].update(isthing="0"), "category 'sky' has isthing='0'"),
    (lambda c: c["categories"][2].update(id=0), "category 'sky' has id 0"),
    (lambda c: c["categories"].extend({"id": i, "name": str(i), "isthing": 0}
                                      for i in range(9, 262)), "more than 254 stuff categories"),
])
def test_unusable_file_is_refused_with_place_and_remedy(change, words, tmp_path):
    content, _ = write_good_panoptic(tmp_path)
    change(content)
    (tmp_path / "panoptic.json").write_text(json.dumps(content))
    with pytest.raises(ResNeStValueError) as error:
        load_panoptic_json(tmp_path / "panoptic.json")
    assert words in str(error.value) and "panoptic.json" in str(error.value)


def test_files_of_the_other_kind_are_refused(tmp_path):
    panoptic, pngs, images, instances = write_broken_panoptic(tmp_path, UNBROKEN)
    with pytest.raises(ResNeStValueError, match="is a panoptic file"):
        check_coco(panoptic, images)
    with pytest.raises(ResNeStValueError, match="no panoptic file"):
        check_panoptic(instances, pngs, images)
