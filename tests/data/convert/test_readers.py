"""Every format: objects written as its definition says come out where they are."""

import json

import numpy as np
import pytest
from convert_cases import (
    HEIGHT,
    WIDTH,
    in_base64,
    picture,
    voc_xml,
    write_cvat,
    write_labelme,
    write_roboflow,
    write_via,
    write_voc,
    write_yolo,
)
from PIL import Image
from pycocotools import mask as coco_mask

from resnest_dense.data.convert.main import convert

TRIANGLE = [[2.25, 3.5], [12, 3], [7, 20.125]]
FLAT = [2.25, 3.5, 12, 3, 7, 20.125]


def converted(tmp_path, **options):
    """The annotations of all splits by image, and the conversion."""
    result = convert(tmp_path / "in", tmp_path / "out", **options)
    assert not result.report.errors, result.report.table()
    found = {}
    for split in result.linked:
        content = json.loads((tmp_path / f"out/{split}.json").read_text())
        names = {entry["id"]: entry["name"] for entry in content["categories"]}
        for image in content["images"]:
            assert (tmp_path / "out" / split / image["file_name"]).is_file()
            found[image["file_name"]] = [
                dict(entry, name=names[entry["category_id"]], split=split)
                for entry in content["annotations"] if entry["image_id"] == image["id"]]
    return found, result


def kinds(result):
    return {name: finding.count for name, finding in result.report.findings.items()}


def decoded(entry):
    return coco_mask.decode(dict(entry["segmentation"])).astype(bool)


def test_voc_counts_pixels_from_1(tmp_path):
    write_voc(tmp_path / "in")
    found, result = converted(tmp_path)
    assert len(found) == 6 and {one["name"] for [one] in found.values()} == {"cat", "dog"}
    # The pixels 1 to 10 and 3 to 8, both ends in: 10 wide, 6 high, from 0 and 2.
    assert all(one["bbox"] == [0, 2, 10, 6] and one["area"] == 60 and one["segmentation"] == []
               for [one] in found.values())
    assert result.usable and result.report.form == "Pascal VOC"


def test_voc_with_a_zero_counts_from_0(tmp_path):
    write_voc(tmp_path / "in")
    (tmp_path / "in/Annotations/i0.xml").write_text(voc_xml(
        "i0.jpg", [("cat", (0, 0, 40, 30))], size=(0, 0), more="<difficult>1</difficult>"))
    found, result = converted(tmp_path)
    # Found by the name of its XML file, as "i0.jpg" is not there; the size is the image's.
    assert found["i0.png"][0]["bbox"] == [0, 0, 40, 30]
    assert found["i1.png"][0]["bbox"] == [1, 3, 9, 5]
    assert kinds(result) == {"voc-from-0": 1, "object-difficult": 1}


def test_voc_s_own_lists_are_the_split(tmp_path):
    write_voc(tmp_path / "in")
    lists = tmp_path / "in/ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("i0\ni1\ni2\n")
    (lists / "val.txt").write_text("i3\ni4\n")
    (lists / "cat_train.txt").write_text("i0 1\ni5 -1\n")
    found, result = converted(tmp_path)
    assert {name: [one] and one["split"] for name, [one] in found.items()} == {
        "i0.png": "train", "i1.png": "train", "i2.png": "train", "i3.png": "val", "i4.png": "val"}
    assert kinds(result) == {"split-none": 1}  # i5


def test_yolo_boxes_and_outlines(tmp_path):
    write_yolo(tmp_path / "in", ["1 0.5 0.5 0.25 0.2", "0 0.1 0.1 0.5 0.1 0.5 0.9"])
    found, result = converted(tmp_path)
    for box, outline in found.values():
        assert (box["name"], box["bbox"], box["segmentation"]) == ("dog", [15, 12, 10, 6], [])
        assert outline["name"] == "cat" and outline["segmentation"][0] == pytest.approx(
            [4, 3, 20, 3, 20, 27])
        assert outline["bbox"] == pytest.approx([4, 3, 16, 24])
        assert outline["area"] == pytest.approx(16 * 24 / 2)
    assert kinds(result) == {"masks-some": 6}


def test_yolo_s_data_yaml_has_names_and_splits(tmp_path):
    write_yolo(tmp_path / "in/train", names=None)
    write_yolo(tmp_path / "in/valid", ["1 0.5 0.5 1 1"], count=2, names=None)
    picture(99).save(tmp_path / "in/valid/images/i9.png")
    # As Roboflow writes them: paths that lead out of the folder, and a test set that is not there.
    (tmp_path / "in/data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\n"
        "names: {0: cat, 1: dog}\n")
    found, result = converted(tmp_path)
    assert result.kept and len(found["i9.png"]) == 0
    assert found["i5.png"][0]["split"] == "train" and found["i1.png"][0]["split"] == "val"
    assert {*kinds(result)} >= {"image-background", "test-empty", "class-only-val"}


def test_labelme_shapes(tmp_path):
    window = np.zeros((6, 8), bool)
    window[1:5, 2:7] = True
    window[2, 3] = False  # a hole
    write_labelme(tmp_path / "in", [
        dict(label="cat", points=TRIANGLE, shape_type="polygon", group_id=None),
        dict(label="cat", points=[[20, 9], [11, 4]], shape_type="rectangle"),
        dict(label="dog", points=[[20, 15], [20, 5]], shape_type="circle"),
        dict(label="dog", points=[[10, 12], [17, 17]], shape_type="mask",
             mask=in_base64(Image.fromarray((window * 255).astype(np.uint8)))),
        dict(label="car", points=TRIANGLE, shape_type="polygon", group_id=3),
        dict(label="car", points=[[30, 3], [35, 3], [30, 9]], shape_type="polygon", group_id=3),
        dict(label="cat", points=[[1, 1], [5, 5]], shape_type="line"),
        dict(label="cat", points=[[1, 1]], shape_type="point"),
        dict(label="__ignore__", points=TRIANGLE, shape_type="polygon")])
    found, result = converted(tmp_path)
    for outline, box, circle, mask, parts in found.values():
        assert outline["segmentation"] == [FLAT]  # exactly
        assert outline["bbox"] == [2.25, 3, 9.75, 17.125]
        assert (box["bbox"], box["segmentation"]) == ([11, 4, 9, 5], [])
        assert circle["bbox"] == pytest.approx([10, 5, 20, 20], abs=0.1)
        assert circle["area"] == pytest.approx(np.pi * 100, rel=0.02)
        whole = np.zeros((HEIGHT, WIDTH), bool)
        whole[12:18, 10:18] = window
        assert (decoded(mask) == whole).all() and mask["iscrowd"] == 0
        assert (mask["bbox"], mask["area"]) == ([12, 13, 5, 4], 19)
        assert parts["segmentation"] == [FLAT, [30, 3, 35, 3, 30, 9]]
        assert parts["bbox"] == [2.25, 3, 32.75, 17.125]
    assert kinds(result) == {"shape-round": 4, "shape-other": 8, "class-ignored": 4,
                             "masks-some": 4}


def test_images_within_labelme_s_files_are_written(tmp_path):
    write_labelme(tmp_path / "in", [dict(label="cat", points=TRIANGLE, shape_type="polygon")],
                  imageData=lambda n: in_base64(picture(n)), imagePath=lambda n: f"..\\x\\{n}.jpg")
    found, _ = converted(tmp_path)
    place = next(tmp_path.glob("out/*/i2.png"))
    assert (np.asarray(Image.open(place)) == np.asarray(picture(2))).all() and len(found) == 4


def test_cvat_shapes(tmp_path):
    # Rows of a window of 4x3 at (5, 6): 0110, 1001, 1111; background first.
    points = ";".join(f"{x},{y}" for x, y in TRIANGLE)
    write_cvat(tmp_path / "in", f"""
        <box label="dog" xtl="3.5" ytl="4" xbr="13.5" ybr="10" occluded="0" group_id="0"/>
        <box label="dog" xtl="10" ytl="10" xbr="20" ybr="14" rotation="90"/>
        <polygon label="cat" points="{points}"/>
        <mask label="cat" rle="1, 2, 1, 1, 2, 5" left="5" top="6" width="4" height="3"/>
        <ellipse label="cat" cx="20" cy="15" rx="8" ry="4"/>
        <polyline label="cat" points="1,1;2,2"/><tag label="cat"/>""")
    found, result = converted(tmp_path)
    window = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 1, 1]], bool)
    for box, rotated, outline, mask, ellipse in found.values():
        assert (box["bbox"], box["segmentation"]) == ([3.5, 4, 10, 6], [])
        # A quarter turn around (15, 12): 4 wide and 10 high.
        assert rotated["bbox"] == pytest.approx([13, 7, 4, 10])
        assert rotated["segmentation"][0] == pytest.approx([17, 7, 17, 17, 13, 17, 13, 7])
        assert outline["segmentation"] == [FLAT]
        whole = np.zeros((HEIGHT, WIDTH), bool)
        whole[6:9, 5:9] = window
        assert (decoded(mask) == whole).all() and mask["iscrowd"] == 0 and mask["area"] == 8
        assert ellipse["bbox"] == pytest.approx([12, 11, 16, 8], abs=0.2)
    assert kinds(result) == {"shape-turned": 4, "shape-round": 4, "shape-other": 8,
                             "masks-some": 4}


def test_via_regions(tmp_path):
    def region(name, shape, label="cat"):
        return dict(shape_attributes=dict(name=name, **shape), region_attributes=dict(kind=label))

    write_via(tmp_path / "in", [
        region("rect", dict(x=3, y=4, width=10, height=5), "dog"),
        region("polygon", dict(all_points_x=[p[0] for p in TRIANGLE],
                               all_points_y=[p[1] for p in TRIANGLE])),
        region("circle", dict(cx=20, cy=15, r=6)), region("point", dict(cx=1, cy=1))])
    found, result = converted(tmp_path)
    for box, outline, circle in found.values():
        assert (box["name"], box["bbox"]) == ("dog", [3, 4, 10, 5])
        assert outline["segmentation"] == [FLAT]
        assert circle["bbox"] == pytest.approx([14, 9, 12, 12], abs=0.1)
    assert kinds(result) == {"shape-round": 4, "shape-other": 4, "masks-some": 4}


def test_roboflow_s_folders_are_the_split(tmp_path):
    write_roboflow(tmp_path / "in", ("train", "valid", "test"))
    found, result = converted(tmp_path)
    assert result.kept and {*result.linked} == {"train", "val", "test"}
    assert {one["name"] for [one] in found.values()} == {"cat"}
    assert kinds(result) == {"class-parent": 3}


def test_most_crowds_become_objects(tmp_path):
    write_roboflow(tmp_path / "in")
    for path in tmp_path.glob("in/*/*.json"):
        path.write_text(path.read_text().replace('"iscrowd": 0', '"iscrowd": 1'))
    found, result = converted(tmp_path)
    assert {one["iscrowd"] for [one] in found.values()} == {0} and kinds(result)["crowd-most"] == 4


def test_what_was_converted_converts_to_itself(tmp_path):
    write_labelme(tmp_path / "in", [
        dict(label="dog", points=TRIANGLE, shape_type="polygon"),
        dict(label="cat", points=[[1, 1], [9, 2.5], [3, 3]], shape_type="polygon")], count=6)
    converted(tmp_path)
    again = convert(tmp_path / "out", tmp_path / "again")
    for split in ("train", "val"):
        assert again.kept and json.loads((tmp_path / f"again/{split}.json").read_text()) == (
            json.loads((tmp_path / f"out/{split}.json").read_text()))


def test_blood_cells_are_what_they_were(shared_data, tmp_path):
    root = shared_data("bccd")
    result = convert(root, tmp_path / "out")
    kept = ("bbox", "area", "category_id", "iscrowd", "segmentation")
    for split in ("train", "val", "test"):
        old, new = (json.loads(path.read_text()) for path in (
            root / f"annotations/instances_{split}.json", tmp_path / f"out/{split}.json"))
        assert [[one[key] for key in kept] for one in new["annotations"]] == [
            [one[key] for key in kept] for one in old["annotations"]]
    # One field of view in another focus.
    [leak] = result.report.findings.values()
    assert leak.kind == "split-alike" and "BloodImage_00037.jpg" in leak.examples[0]
