"""The graph of each family against its framework's own code, at several sizes and batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from exporting_models import DETECTORS, SEGMENTORS

from resnest_dense.exporting.check import check
from resnest_dense.exporting.pictures import draw_pictures
from resnest_dense.exporting.subject import Options
from resnest_dense.frameworks import export_subject


def in_torch(subject):
    """Runs the graph as it is, before any format."""
    def run(arrays):
        with torch.no_grad():
            found = subject.graph(*(torch.from_numpy(arrays[name]) for name in subject.inputs))
        return {name: value.numpy() for name, value in zip(subject.outputs, found)}

    return run


@pytest.mark.parametrize("family", [*DETECTORS, *SEGMENTORS])
def test_a_graph_finds_what_its_model_finds(family, model_of):
    inside = len(family) % 2 == 0  # each way for half of them
    options = Options(preprocess="inside" if inside else "outside")
    subject = export_subject(*model_of(family), options)
    assert subject.family == ("faster_rcnn" if family == "deformable" else family)
    assert subject.deformable == (family == "deformable")
    report = check(subject, in_torch(subject), draw_pictures(), "pictures")
    assert not report.failures
    assert report.difference.compared > 20
    assert {shape[0] for shape in report.shapes} == {1, 3}


@pytest.mark.parametrize("family, kind, names", [
    ("mask_rcnn", "pyramid", ("p2", "p3", "p4", "p5", "p6")),
    ("fcn", "backbone", ("res2", "res3", "res4", "res5"))])
def test_a_backbone_is_exported_with_its_pyramid(family, kind, names, model_of):
    subject = export_subject(*model_of(family), Options(backbone=True))
    assert (subject.family, subject.outputs) == (kind, names)
    report = check(subject, in_torch(subject), draw_pictures(), "pictures")
    assert not report.failures and report.difference.worst["features"] < 1e-4


def test_options_change_what_is_found(model_of):
    few = Options(score=0.5, suppression=0.2, detections=3)
    limits = export_subject(*model_of("mask_rcnn"), few).contract.thresholds
    assert (limits.score, limits.suppression, limits.detections) == (0.5, 0.2, 3)
    own = export_subject(*model_of("mask_rcnn"), Options()).contract.thresholds
    assert (own.score, own.suppression, own.detections) == (0.3, 0.5, 20)


def test_an_image_without_detections_is_no_trouble(model_of):
    subject = export_subject(*model_of("mask_rcnn"), Options(score=1.0))
    boxes, _, _, image, masks = subject.graph(*subject.example())
    assert boxes.shape == (0, 4) and image.shape == (0,) and masks.shape == (0, 28, 28)


@pytest.mark.parametrize("change", [
    lambda found: dict(found, boxes=found["boxes"] + 0.01),
    lambda found: dict(found, scores=found["scores"] * 0.99),
    lambda found: dict(found, classes=found["classes"] + 1),
    lambda found: dict(found, image_index=found["image_index"] * 0),
    lambda found: dict(found, masks=1 - found["masks"]),
    lambda found: {name: values[1:] for name, values in found.items()}],
    ids=["boxes", "scores", "classes", "images", "masks", "count"])
def test_a_file_that_differs_fails_its_check(change, model_of):
    subject = export_subject(*model_of("mask_rcnn"), Options())
    run = in_torch(subject)
    report = check(subject, lambda arrays: change(run(arrays)), draw_pictures(), "pictures")
    assert report.failures


def test_labels_that_differ_fail_their_check(model_of):
    subject = export_subject(*model_of("fcn"), Options())
    run = in_torch(subject)
    report = check(subject, lambda arrays: {"logits": run(arrays)["logits"][:, ::-1].copy()},
                   draw_pictures(), "pictures")
    assert "label share" in report.failures[0]
    assert not check(subject, run, [np.zeros((50, 61, 3), np.uint8)], "black").failures


def test_padding_inside_the_graph_is_not_seen(model_of):
    """Whatever stands beyond an image's size."""
    subject = export_subject(*model_of("mask_rcnn"), Options(preprocess="inside"))
    images, sizes = subject.example()
    other = images.clone()
    for image, (height, width) in zip(other, sizes.tolist()):
        image[:, height:], image[:, :, width:] = 255, 7
    for one, two in zip(subject.graph(images, sizes), subject.graph(other, sizes)):
        torch.testing.assert_close(one, two)
    assert replace(subject.contract, preprocess="outside") == export_subject(
        *model_of("mask_rcnn"), Options()).contract
