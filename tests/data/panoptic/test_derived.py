"""Semantic labels and instances derived from panoptic PNGs, against those of other programs."""

import json
import os

import numpy as np
import pytest
from panoptic_cases import SEGMENTS, segment_ids, write_good_panoptic
from PIL import Image
from pycocotools.coco import COCO

from resnest_dense.data.panoptic.derived import write_instances, write_stuff_labels
from resnest_dense.data.panoptic.reading import load_panoptic_json, stuff_labels


@pytest.fixture
def sample(shared_data):
    root = shared_data("coco_panoptic_sample")
    return root, root / "annotations/panoptic_val2017.json", root / "panoptic_val2017"


def test_stuff_labels_are_those_of_detectron2s_script(sample, tmp_path):
    root, panoptic, pngs = sample
    labels = stuff_labels(load_panoptic_json(panoptic)["categories"])
    assert write_stuff_labels(panoptic, pngs, tmp_path, labels)
    expected = sorted((root / "panoptic_stuff_val2017").glob("*.png"))
    assert len(expected) == 2
    for path in expected:
        ours = Image.open(tmp_path / path.name)
        assert ours.mode == "L"
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(Image.open(path)))


def test_instances_have_the_masks_of_the_sample(sample, tmp_path):
    root, panoptic, pngs = sample
    write_instances(panoptic, pngs, tmp_path / "instances.json")
    ours, theirs = COCO(str(tmp_path / "instances.json")), COCO(
        str(root / "annotations/instances_val2017.json"))

    def masks(coco):
        return {(a["image_id"], a["category_id"], a["iscrowd"], coco.annToMask(a).tobytes())
                for a in coco.anns.values()}

    assert len(ours.anns) == 43 and masks(ours) == masks(theirs)
    assert {c["id"] for c in ours.cats.values()} == set(theirs.cats)
    for annotation in ours.anns.values():
        assert annotation["area"] == ours.annToMask(annotation).sum()


def test_each_byte_of_a_colour_and_unlabelled_pixels(tmp_path):
    content, _ = write_good_panoptic(tmp_path)
    (tmp_path / "panoptic.json").write_text(json.dumps(content))
    write_stuff_labels(tmp_path / "panoptic.json", tmp_path / "pngs", tmp_path / "out",
                       {5: 1, 8: 2})
    expected = np.full(segment_ids().shape, 255)
    for category, label in ((1, 0), (3, 0), (5, 1), (8, 2)):
        expected[segment_ids() == SEGMENTS[category]] = label
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/a.png")), expected)


def test_written_once_until_the_annotations_change(tmp_path):
    content, _ = write_good_panoptic(tmp_path)
    panoptic = tmp_path / "panoptic.json"
    panoptic.write_text(json.dumps(content))
    stuff = (panoptic, tmp_path / "pngs", tmp_path / "stuff", {5: 1, 8: 2})
    things = (panoptic, tmp_path / "pngs", tmp_path / "things/instances.json")
    assert write_stuff_labels(*stuff) and write_instances(*things)
    assert not write_stuff_labels(*stuff) and not write_instances(*things)
    os.utime(panoptic, (1, 1))
    assert write_stuff_labels(*stuff) and write_instances(*things)
    assert write_stuff_labels(*stuff[:3], {5: 2, 8: 1})
