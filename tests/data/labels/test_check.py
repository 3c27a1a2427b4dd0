"""The check of label PNGs: every kind of mistake in a small set has its message."""

import json

import numpy as np
import pytest
from PIL import Image

from resnest_dense import ResNeStValueError
from resnest_dense.data.labels.check import check_labels
from resnest_dense.data.labels.folder import find_pairs, read_classes

CLASSES = ("a", "b", "c")
ALL = np.arange(48).reshape(6, 8) % 3


def write(folder, label, *, image=(6, 8), stem="0"):
    for name in ("images", "labels"):
        (folder / name).mkdir(exist_ok=True)
    Image.fromarray(np.zeros((*image, 3), np.uint8)).save(folder / "images" / f"{stem}.jpg")
    Image.fromarray(label).save(folder / "labels" / f"{stem}.png")


def check(folder, label, *, classes=CLASSES, image=(6, 8), **options):
    write(folder, np.asarray(label, options.pop("dtype", np.uint8)), image=image)
    pairs = find_pairs(folder / "images", folder / "labels")
    return check_labels(pairs, classes, name="set", **options)


def test_a_good_set_has_no_findings(tmp_path):
    report = check(tmp_path, np.where(ALL == 2, 255, ALL), classes=CLASSES[:2])
    report.raise_if_wrong()
    assert report.findings == {} and list(report.pixels) == [16, 16]
    assert report.table() == "set: 1 images, 1 labels read, no problems found"


@pytest.mark.parametrize("label,options,said", [
    (ALL + 5, {}, "beyond the classes.*has 5, 6, 7, and there are 3 classes"),
    (ALL + 1, {}, "count from 1.*reduce_zero_label=True"),
    (ALL * 100, {}, "beyond the classes.*100, 200"),
    (ALL * 300, {"dtype": np.uint16}, "beyond the classes.*300, 600"),
    (np.stack([ALL] * 3, 2), {}, "colours, not class numbers.*3 channels"),
    (ALL, {"image": (8, 6)}, "is 8x6, its image 6x8"),
    (ALL + 2, {"reduce_zero_label": True}, "beyond the classes.*has 4"),
])
def test_what_training_would_go_wrong_with_is_an_error(tmp_path, label, options, said):
    with pytest.raises(ResNeStValueError, match="(?s)set cannot be used.*" + said):
        check(tmp_path, label, **options).raise_if_wrong()


@pytest.mark.parametrize("label,options,said", [
    (ALL, {"reduce_zero_label": True}, "'c' is the last class"),
    (np.full((6, 8), 255), {}, "without a labelled pixel"),
    (ALL * 0, {}, "class without a pixel: b; c"),
])
def test_what_is_odd_is_told(tmp_path, label, options, said):
    report = check(tmp_path, label, **options)
    report.raise_if_wrong()
    assert said in report.table()


def test_only_classes_in_use_have_to_occur(tmp_path):
    report = check(tmp_path, ALL * 0, used=("a", "c"))
    assert report.findings["unseen"].examples == ["c"]


@pytest.mark.parametrize("part", ["images/0.jpg", "labels/0.png"])
def test_a_broken_file_is_named(tmp_path, part):
    write(tmp_path, np.uint8(ALL))
    pairs = find_pairs(tmp_path / "images", tmp_path / "labels")
    (tmp_path / part).write_bytes(b"no image")
    with pytest.raises(ResNeStValueError, match=f"(?s)cannot be read as an image.*{part}"):
        check_labels(pairs, CLASSES, name="set").raise_if_wrong()


def test_a_missing_file_is_named(tmp_path):
    write(tmp_path, np.uint8(ALL))
    pairs = [(tmp_path / "images/0.jpg", tmp_path / "labels/1.png")]
    with pytest.raises(ResNeStValueError, match="file is missing: .*1.png"):
        check_labels(pairs, CLASSES, name="set").raise_if_wrong()


def test_no_pair_at_all_is_an_error():
    with pytest.raises(ResNeStValueError, match="no image in the set"):
        check_labels([], CLASSES, name="set").raise_if_wrong()


def test_a_limit_reads_labels_from_all_over_the_set(tmp_path):
    for i in range(10):
        write(tmp_path, np.full((6, 8), 7 if i == 5 else 0, np.uint8), stem=str(i))
    pairs = find_pairs(tmp_path / "images", tmp_path / "labels")
    report = check_labels(pairs, CLASSES, name="set", limit=2)
    assert report.checked == 2 and "range" in report.findings


def test_pairs_are_sorted_and_follow_subfolders(tmp_path):
    write(tmp_path, np.uint8(ALL), stem="b")
    for name in ("images", "labels"):
        (tmp_path / name / "a").mkdir()
    write(tmp_path, np.uint8(ALL), stem="a/x")
    pairs = find_pairs(tmp_path / "images", tmp_path / "labels")
    assert [label.relative_to(tmp_path).as_posix() for _, label in pairs] == [
        "labels/a/x.png", "labels/b.png"]


def spoil(folder, how):
    if how == "folder":
        return folder / "nowhere"
    if how == "empty":
        (folder / "images/0.jpg").unlink()
    elif how == "label":
        (folder / "labels/0.png").unlink()
    elif how == "twice":
        Image.new("RGB", (8, 6)).save(folder / "images/0.png")
    return folder / "images"


@pytest.mark.parametrize("how,said", [
    ("folder", "No folder"), ("empty", "No image in"), ("label", "1 of 1 images .* have no label"),
    ("twice", "have the same label")])
def test_a_folder_that_cannot_be_used_says_why(tmp_path, how, said):
    write(tmp_path, np.uint8(ALL))
    with pytest.raises(ResNeStValueError, match=said):
        find_pairs(spoil(tmp_path, how), tmp_path / "labels")


@pytest.mark.parametrize("name,content", [
    ("c.txt", "a\n\nb\nc \n"), ("c.json", json.dumps(CLASSES)),
    ("c.json", json.dumps({"classes": CLASSES, "palette": [[1, 2, 3]] * 3}))])
def test_classes_are_read(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert read_classes(tmp_path / name).names == CLASSES


@pytest.mark.parametrize("name,content,said", [
    ("c.txt", "", "no class"), ("c.txt", "a\nb\na", "twice: ..a"), ("c.json", "[", "is no JSON"),
    ("c.json", "[1]", "expected a list of names"), ("c.json", '{"names": []}', "expected a list"),
    ("c.json", '{"classes": ["a"], "palette": []}', "palette has 0 entries for 1"),
    (None, "", "No class list")])
def test_a_class_list_that_cannot_be_used_says_why(tmp_path, name, content, said):
    path = tmp_path / (name or "absent.txt")
    if name:
        path.write_text(content)
    with pytest.raises(ResNeStValueError, match=said):
        read_classes(path)
