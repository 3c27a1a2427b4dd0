"""The check of label PNGs: every kind of mistake in a small set has its message."""

import json

import numpy as np
import pytest
from PIL import Image

from resnest_dense import ResNeStValueError
from resnest_dense.data.labels.check import check_labels
from resnest_dense.data.labels.folder import find_orphans, find_pairs, read_classes

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
    (ALL, {"classes": [*map(str, range(256))]}, "more classes than a byte.*256"),
    (ALL, {"image": (8, 6)}, "is 8x6, its image 6x8"),
    (ALL + 2, {"reduce_zero_label": True}, "beyond the classes.*has 4"),
    (ALL // 2 * 255, {}, "0 and 255 alone: a mask.*write 1 where it has 255"),
    (ALL // 2 * 255, {"classes": ["object"]}, "0 and 255 alone: a mask"),
    (ALL, {"classes": ["__ignore__", *CLASSES]}, "'__ignore__' in line 1.*do: remove the line"),
    (ALL, {"classes": ["a", "_background_", "c"]}, "'_background_' in line 2"),
    (ALL + 1, {"classes": ["_background_", *CLASSES], "reduce_zero_label": True}, "move by one"),
])
def test_what_training_would_go_wrong_with_is_an_error(tmp_path, label, options, said):
    with pytest.raises(ResNeStValueError, match="(?s)set cannot be used.*" + said):
        check(tmp_path, label, **options).raise_if_wrong()


@pytest.mark.parametrize("label,options,said", [
    (ALL, {"reduce_zero_label": True}, "'c' is the last class"),
    (np.full((6, 8), 255), {}, "without a labelled pixel"),
    (ALL * 0, {}, "class without a pixel: b; c"),
    (np.where(ALL == 2, ALL.T.reshape(6, 8), 255), {}, "66.7 % in 1 labels"),
    (ALL, {"classes": ["_background_", "a", "b"]}, "are a class to learn, number 0: '_backgr"),
])
def test_what_is_odd_is_told(tmp_path, label, options, said):
    report = check(tmp_path, label, **options)
    report.raise_if_wrong()
    assert said in report.table()


def test_fractions_are_no_class_numbers(tmp_path):
    write(tmp_path, np.uint8(ALL))
    Image.fromarray(np.float32(ALL + 0.5)).save(tmp_path / "labels/0.png", "TIFF")
    with pytest.raises(ResNeStValueError, match="fractions.*float32"):
        look(tmp_path).raise_if_wrong()


def turn(folder, name, orientation=6, **options):
    path = folder / name
    picture, exif = Image.open(path), Image.Exif()
    exif[274] = orientation
    picture.save(path, exif=exif, **options)


def look(folder):
    pairs = find_pairs(folder / "images", folder / "labels")
    return check_labels(pairs, CLASSES, name="set")


def test_sizes_are_compared_as_training_sees_them(tmp_path):
    write(tmp_path, np.uint8(ALL), image=(8, 6))
    turn(tmp_path, "images/0.jpg")
    assert look(tmp_path).findings["image-orientation"].examples[0].endswith("0.jpg: orientation 6")
    assert not look(tmp_path).errors
    Image.fromarray(np.uint8(ALL.T)).save(tmp_path / "labels/0.png")  # of the pixels as stored
    with pytest.raises(ResNeStValueError, match="is 6x8, its image 8x6 when turned upright"):
        look(tmp_path).raise_if_wrong()


def test_a_label_that_would_have_to_be_turned_is_an_error(tmp_path):
    write(tmp_path, np.uint8(ALL))
    turn(tmp_path, "labels/0.png", 3)
    with pytest.raises(ResNeStValueError, match="label with an EXIF .*0.png: orientation 3"):
        look(tmp_path).raise_if_wrong()


@pytest.mark.parametrize("part", ["images/1.jpg", "labels/1.png"])
def test_a_file_that_ends_too_early_is_named_also_beyond_the_limit(part, tmp_path):
    noise = np.random.default_rng(0).integers(0, 3, (90, 120), np.uint8)
    for stem in "0123":
        write(tmp_path, noise, image=noise.shape, stem=stem)
        Image.fromarray(noise * 100).save(tmp_path / f"images/{stem}.jpg")
    data = (tmp_path / part).read_bytes()
    (tmp_path / part).write_bytes(data[:-200])
    pairs = find_pairs(tmp_path / "images", tmp_path / "labels")
    report = check_labels(pairs, CLASSES, name="set", limit=1)
    assert report.checked == 1
    with pytest.raises(ResNeStValueError, match=f"ends too early: .*{part}"):
        report.raise_if_wrong()


def test_values_of_no_byte_are_not_taken_for_classes(tmp_path):
    write(tmp_path, np.uint8(ALL))
    Image.fromarray(ALL.astype(np.int32) - 1).save(tmp_path / "0.tif")
    report = check_labels([(tmp_path / "images/0.jpg", tmp_path / "0.tif")], CLASSES, name="set")
    assert report.findings["range"].examples[0].endswith("has -1, and there are 3 classes")


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


def test_files_of_macos_are_passed_over_and_its_spelling_is_not(tmp_path):
    write(tmp_path, np.uint8(ALL), stem="\xe9")
    (tmp_path / "labels/\xe9.png").rename(tmp_path / "labels/e\u0301.PNG")
    for name in ("images/._\xe9.jpg", "images/.DS_Store", "labels/._a.png"):
        (tmp_path / name).write_bytes(b"\0\5\26\7")
    (tmp_path / "images/.cache").mkdir()
    (tmp_path / "images/.cache/b.jpg").write_bytes(b"")
    [(image, label)] = find_pairs(tmp_path / "images", tmp_path / "labels")
    assert image.name == "\xe9.jpg" and label.name == "e\u0301.PNG"
    assert find_orphans(tmp_path / "images", tmp_path / "labels") == []


def test_labels_in_other_subfolders_are_found_for_the_message(tmp_path):
    write(tmp_path, np.uint8(ALL))
    (tmp_path / "labels/deep").mkdir()
    (tmp_path / "labels/0.png").rename(tmp_path / "labels/deep/0.png")
    with pytest.raises(ResNeStValueError, match="the same subfolder; there is deep/0.png"):
        find_pairs(tmp_path / "images", tmp_path / "labels")


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


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_names_the_encoding_of_a_class_list(encoding, tmp_path):
    (tmp_path / "c.txt").write_text("\u80cc\u666f\nround\n", encoding=encoding)
    assert read_classes(tmp_path / "c.txt").names == ("\u80cc\u666f", "round")


@pytest.mark.parametrize("name,content,said", [
    ("c.txt", "caf\xe9\n".encode("latin-1"), "no UTF-8 text .byte 3.*save it as UTF-8"),
    ("c.txt", "a\nb\n".encode("utf-16-le"), "no UTF-8 text"),
    ("c.txt", "", "no class"), ("c.txt", "a\nb\na", "twice: a"),
    ("c.json", "[", "is no valid JSON"),
    ("c.json", "[1]", "expected a list of names"), ("c.json", '{"names": []}', "expected a list"),
    ("c.json", '{"classes": ["a"], "palette": []}', "palette has 0 entries for 1"),
    (None, "", "No class list")])
def test_a_class_list_that_cannot_be_used_says_why(tmp_path, name, content, said):
    path = tmp_path / (name or "absent.txt")
    if name:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ResNeStValueError, match=said):
        read_classes(path)
