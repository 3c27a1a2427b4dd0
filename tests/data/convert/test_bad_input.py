"""What is wrong with a folder is one error or note; nothing is dropped in silence."""

import json

import pytest
from bad_input import assert_one_line
from convert_cases import (
    picture,
    voc_xml,
    write_cvat,
    write_labelme,
    write_roboflow,
    write_via,
    write_voc,
    write_yolo,
)

from resnest_dense.cli import main

BOX = dict(label="cat", points=[[1, 1], [9, 9]], shape_type="rectangle")


def yolo(*lines, **options):
    return lambda root: write_yolo(root, lines, **options)


def track(root):
    write_cvat(root, '<box label="cat" xtl="3" ytl="4" xbr="13" ybr="10"/>', extra='<track id="0" '
               'label="cat"><box frame="0" xtl="1" ytl="1" xbr="3" ybr="3"/></track>')


def shared(root):
    write_roboflow(root)
    (root / "valid/valid0.png").write_bytes((root / "train/train1.png").read_bytes())


def empty(root):
    write_roboflow(root, ("train",))
    (root / "valid").mkdir()


def missing(root):
    write_voc(root)
    (root / "JPEGImages/i3.png").unlink()


def ambiguous(root):
    write_via(root, [])
    for name in ("a", "b"):
        (root / name).mkdir()
        (root / "i1.png").rename(root / name / "i1.png") if name == "a" else picture(9).save(
            root / name / "i1.png")


def broken(root):
    write_voc(root)
    (root / "Annotations/i2.xml").write_text("<annotation><object></annotation>")


def attributes(root):
    region = dict(shape_attributes=dict(name="rect", x=1, y=1, width=3, height=3),
                  region_attributes=dict(colour="red", shape="round"))
    write_via(root, [region])


def short_mask(root):
    write_cvat(root, '<mask label="cat" rle="1, 2" left="5" top="6" width="4" height="3"/>')


@pytest.mark.parametrize("make,kind,words", [
    (yolo("0 0.5 0.5 0.2 0.2", names=None), "class-list", "neither data.yaml"),
    (yolo("1 0.5 0.5 0.2 0.2", names="cat\n"), "class-number", "labels/i0.txt, line 1"),
    (yolo("0 0.5 1.5 0.2 0.2"), "box-share", "0 0.5 1.5 0.2 0.2"),
    (yolo("0 12 9 4 4"), "box-share", "0 12 9 4 4"),
    (yolo("0 0.5 0.5 0.2 0.2 0.9"), "line-form", "0 0.5 0.5 0.2 0.2 0.9"),
    (yolo("0 0.5 nan 0.2 0.2"), "box-share", "nan"),
    (track, "track", "track 0 of 'cat'"),
    (shared, "split-shared", "train/train1.png and valid/valid0.png"),
    (empty, "split-empty", "valid"),
    (missing, "image-missing", "'i3.png' of Annotations/i3.xml"),
    (ambiguous, "image-ambiguous", "'i1.png' of via.json: a/i1.png or b/i1.png"),
    (broken, "file-broken", "Annotations/i2.xml: mismatched tag: line 1"),
    (attributes, "class-attribute", "colour, shape"),
    (short_mask, "line-form", "runs of 3 pixels in all for a mask of 4x3"),
    (lambda root: write_labelme(root, [dict(BOX, label="")]), "class-unnamed", "shape 1"),
    (lambda root: write_voc(root, count=1), "split-few", "1 images"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_an_error_writes_nothing(tmp_path, capsys, make, kind, words):
    make(tmp_path / "in")
    assert main(["convert-data", str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    out = capsys.readouterr().out
    assert f"[{kind}]" in out and words in out and "error: nothing is written" in out
    assert out.strip().endswith("Nothing was written.") and not (tmp_path / "out").exists()


def flat(root):
    write_voc(root)
    (root / "Annotations/i2.xml").write_text(voc_xml("i2.png", [("cat", (5, 5, 4, 9))]))


def lone(root):
    write_roboflow(root)
    path = root / "valid/_annotations.coco.json"
    path.write_text(path.read_text().replace('"cat"', '"dog"'))


def lost(root):
    write_roboflow(root)
    path = root / "train/_annotations.coco.json"
    path.write_text(path.read_text().replace('"image_id": 1', '"image_id": 77'))


def unannotated(root):
    write_voc(root)
    (root / "Annotations/i4.xml").unlink()


@pytest.mark.parametrize("make,kind,words", [
    (lambda root: write_labelme(root, [BOX, dict(BOX, shape_type="line")]), "shape-other", "line"),
    (lambda root: write_labelme(root, [BOX, dict(BOX, shape_type="polygon")]), "shape-short",
     "polygon 'cat'"),
    (lambda root: write_labelme(root, [BOX, dict(BOX, label="Cat")]), "class-case", "Cat, cat"),
    (flat, "object-empty", "i2.png: 'cat'"),
    (lone, "class-only-val", "dog"),
    (lost, "annotation-lost", "train/_annotations.coco.json, annotation 1"),
    (unannotated, "image-unannotated", "JPEGImages/i4.png"),
    (yolo("0 0.5 0.5 0.2 0.2", "0 0.5 0.5 0.2 0.2"), "object-repeated", "2 times"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_left_out_or_odd_is_told(tmp_path, capsys, make, kind, words):
    make(tmp_path / "in")
    main(["convert-data", str(tmp_path / "in"), str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert f"[{kind}]" in out and words in out and (tmp_path / "out/train.json").is_file()


def both(root):
    write_voc(root)
    write_labelme(root / "more", [BOX])


def csv(root):
    picture(0).save(root / "a.png")
    (root / "boxes.csv").write_text("a.png,1,2,3,4,cat\n")


@pytest.mark.parametrize("make,words,more", [
    (both, ("voc (Pascal VOC; Annotations/i0.xml and 5 more)", "labelme (LabelMe; more/i0.json"),
     ()),
    (csv, ("1 images, and files ending in .csv", "cvat: CVAT for images"), ()),
    (write_voc, ("is not coco, but voc", "--from voc"), ("--from", "coco")),
    (write_voc, ("--split 1.5",), ("--split", "1.5")),
])
def test_a_folder_that_is_not_read(tmp_path, capsys, make, words, more):
    (tmp_path / "in").mkdir()
    make(tmp_path / "in")
    code = main(["convert-data", str(tmp_path / "in"), str(tmp_path / "out"), *more])
    assert_one_line(code, capsys, words)


@pytest.mark.parametrize("source,out,words", [
    ("none", "out", ("No folder",)), ("in", "in/out", ("is inside",)), ("in", "in", ("is there",))])
def test_folders_that_cannot_be_used(tmp_path, capsys, source, out, words):
    write_voc(tmp_path / "in")
    assert_one_line(main(["convert-data", str(tmp_path / source), str(tmp_path / out)]), capsys,
                    words)


def test_names_stay_in_the_folder(tmp_path):
    write_roboflow(tmp_path / "in")
    for path in tmp_path.glob("in/*/*.json"):
        content = json.loads(path.read_text())
        for image in content["images"]:
            image["file_name"] = f"../../{image['file_name']}"
        path.write_text(json.dumps(content))
    assert main(["convert-data", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    names = [image["file_name"] for path in tmp_path.glob("out/*.json")
             for image in json.loads(path.read_text())["images"]]
    assert sorted(names) == ["train0.png", "train1.png", "valid0.png", "valid1.png"]
