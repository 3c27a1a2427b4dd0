"""Files as their users get them: written, checked, described, refused."""

import functools
import json
import os
import resource
import signal

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from exporting_models import DETECTORS, SEGMENTORS
from PIL import Image

import docs.architecture
from resnest_dense import ResNeStError, create_backbone, export
from resnest_dense.cli import main
from resnest_dense.exporting import files
from resnest_dense.exporting.pictures import draw_pictures
from resnest_dense.exporting.table import FORMATS, PRECISIONS, markdown, reason
from resnest_dense.frameworks import find_framework
from resnest_dense.runtime.contract import KEY, Contract
from resnest_dense.runtime.runner import Runner

PAGE = docs.architecture.PACKAGE.parent / "docs/export.md"
IN_SUITE = [("retinanet", "torchscript"), ("mask_rcnn", "openvino"),
            ("pspnet", "onnx"), ("backbone", "torch-export")]
ALL = [(family, format) for format in FORMATS for family in (*DETECTORS, *SEGMENTORS, "backbone")
       if reason(format, "faster_rcnn" if family == "deformable" else family,
                 deformable=family == "deformable") is None]
# `make matrix` tries them all.
TRIED = ALL if os.environ.get("RESNEST_DENSE_EXPORT") == "all" else IN_SUITE


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """An architecture and a checkpoint of it."""
    path = tmp_path_factory.mktemp("backbone") / "resnest14.pth"
    torch.save(create_backbone("resnest14").state_dict(), path)
    return "resnest14", str(path)


@pytest.fixture(scope="module")
def exported_of(model_of, tmp_path_factory):
    """A family as ONNX, by the command line."""

    @functools.cache
    def write(family):
        path = tmp_path_factory.mktemp(family) / "model.onnx"
        assert main(["export", *model_of(family), "--format", "onnx", "--out", str(path)]) == 0
        return path

    return write


@pytest.fixture(scope="module")
def exported(exported_of):
    return exported_of("mask_rcnn")


@pytest.mark.parametrize("family, format", TRIED)
def test_a_file_does_what_its_model_does(family, format, model_of, backbone, tmp_path):
    pair = backbone if family == "backbone" else model_of(family)
    path = tmp_path / f"model{FORMATS[format].suffix}"
    report = export(*pair, format, path)
    assert report.difference.compared and not report.failures
    assert [Contract.from_json(path.with_name(f"{path.name}.json").read_text()).made_from[key]
            for key in ("config", "format")] == [pair[0], format]
    assert {file.suffix for file in tmp_path.iterdir()} - {".bin"} == {path.suffix, ".json"}


@pytest.mark.parametrize("family", ["mask_rcnn", "keypoint_rcnn"])
def test_the_runner_finds_what_predict_finds(family, exported_of, model_of):
    predictor = find_framework(model_of(family)[0]).open(*model_of(family), device="cpu",
                                                         threshold=0.35)
    runner = Runner(exported_of(family), threshold=0.35)
    for picture in draw_pictures()[:2]:
        ours, theirs = runner(picture), predictor.run(picture)["instances"]
        assert len(ours.boxes) == len(theirs) > 0
        np.testing.assert_allclose(ours.boxes, theirs.pred_boxes.tensor, atol=1e-2)
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)
        if family == "mask_rcnn":
            whole = np.stack([mask.whole(ours.size) for mask in ours.masks])
            assert (whole == theirs.pred_masks.numpy()).mean() > 0.999
        else:
            assert ours.keypoints.shape == (len(theirs), 17, 3)
            np.testing.assert_allclose(ours.keypoints, theirs.pred_keypoints, atol=1e-2)


def test_predict_writes_the_keypoints_of_a_file(exported_of, tmp_path):
    Image.fromarray(draw_pictures()[0]).save(tmp_path / "a.png")
    assert main(["predict", str(exported_of("keypoint_rcnn")), str(tmp_path / "a.png"), "--out",
                 str(tmp_path / "out"), "--threshold", "0.35"]) == 0
    found = json.loads((tmp_path / "out/detections.json").read_text())
    assert found and all(len(one["keypoints"]) == 17 * 3 for one in found)
    assert Image.open(tmp_path / "out/a.png").size == (640, 480)


def test_a_graph_has_standard_operators_with_all_that_runtimes_read_differently(exported):
    graph = onnx.load(exported).graph
    kinds = {node.op_type for node in graph.node}
    assert {node.domain for node in graph.node} == {""}
    assert {"NonMaxSuppression", "RoiAlign", "AveragePool", "MaxPool"} <= kinds
    for node in graph.node:
        given = {attribute.name for attribute in node.attribute}
        assert node.op_type != "RoiAlign" or {"sampling_ratio", "spatial_scale"} <= given
    shapes = {one.name: [d.dim_param for d in one.type.tensor_type.shape.dim][:1]
              for one in (*graph.input, *graph.output)}
    assert shapes == {"images": ["N"], "sizes": ["N"], "boxes": ["K"], "scores": ["K"],
                      "classes": ["K"], "image_index": ["K"], "masks": ["K"]}


def test_a_file_says_what_it_takes_and_gives(exported):
    session = onnxruntime.InferenceSession(str(exported))
    inside = Contract.from_json(session.get_modelmeta().custom_metadata_map[KEY])
    beside = json.loads(exported.with_name("model.onnx.json").read_text())
    assert inside.classes.names == ("a", "b", "c") and inside.classes.ids == (3, 4, 5)
    assert (inside.channel_order, inside.size_divisor) == ("RGB", 32)
    assert (inside.resize.policy, inside.resize.size) == ("shortest", (96, 160))
    assert beside["check"]["compared"] > 20 and beside["check"]["worst"]["box px"] < 1e-3
    assert beside["made_from"]["sha256"]


def test_images_without_detections_again_and_again_in_one_session(exported):
    session = onnxruntime.InferenceSession(str(exported))
    noisy = np.random.default_rng(0).normal(0, 1, (1, 3, 96, 128)).astype(np.float32)
    empty = np.full((1, 3, 96, 128), np.nan, np.float32)
    counts = []
    for images in (empty, noisy, np.concatenate([empty, noisy, empty]), empty, noisy):
        sizes = np.array([[90, 120]] * len(images))
        boxes, _, _, image, _ = session.run(None, {"images": images, "sizes": sizes})
        counts.append((len(boxes), sorted(set(image.tolist()))))
    some = counts[1][0]
    assert some and counts == [(0, []), (some, [0]), (some, [1]), (0, []), (some, [0])]


def test_a_pair_that_does_not_fit_is_refused(model_of, tmp_path):
    config, other = model_of("mask_rcnn")[0], model_of("retinanet")[1]  # three classes too
    with pytest.raises(ResNeStError, match="not a checkpoint of|for 3 classes|nothing for"):
        export(config, other, "onnx", tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_fails_its_check_gets_no_name(backbone, tmp_path, monkeypatch, capsys):
    write = files._WRITERS["torchscript"]

    def write_wrong(subject, path):
        with torch.no_grad():
            next(subject.graph.parameters()).mul_(1.5)
        write(subject, path)

    monkeypatch.setitem(files._WRITERS, "torchscript", write_wrong)
    out = tmp_path / "model.pt"
    command = ["export", *backbone, "--format", "torchscript", "--out", str(out)]
    assert main(command) == 1
    assert "differs from its model" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_error_and_nothing_is_left(backbone, tmp_path, capsys):
    # A disk with room for 4 MB of one file.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, before[1]))
    try:
        code = main(["export", *backbone, "--format", "torchscript", "--out",
                     str(tmp_path / "model.pt")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    said = capsys.readouterr().err.strip().splitlines()
    assert code == 2 and "cannot be written" in said[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changes, said", [
    (dict(format="torch-export", out="model.pt2"), "suppression"),
    (dict(out="model.pth"), "ends in .onnx"),
    (dict(format="coreml"), "Unknown format 'coreml'"),
    (dict(score=1.5), "score=1.5"),
    (dict(preprocess="both"), "preprocess='both'"),
    (dict(format="torchscript", out="model.pt", precision="float16"), "own float32"),
    (dict(precision="int4"), "Unknown precision 'int4'"),
    (dict(images=["nowhere.jpg"]), "nowhere.jpg"),
])
def test_what_cannot_be_exported_is_refused_with_a_reason(changes, said, model_of, tmp_path):
    given = dict(format="onnx", out="model.onnx", **{}) | changes
    given["out"] = tmp_path / given["out"]
    with pytest.raises(ResNeStError, match=said):
        export(*model_of("mask_rcnn"), **given)
    assert not list(tmp_path.iterdir())


def test_images_of_the_user_are_what_a_file_is_checked_on(backbone, tmp_path):
    Image.fromarray(draw_pictures()[0]).save(tmp_path / "a.png")
    report = export(*backbone, "torchscript", tmp_path / "deep/model.pt",
                    images=[tmp_path / "a.png"], preprocess="inside")
    assert report.images == "1 images" and (tmp_path / "deep/model.pt.json").is_file()


def test_the_page_has_the_table_of_today():
    assert markdown() in PAGE.read_text(), "put exporting.table.markdown() into docs/export.md"
    assert all(reason("onnx", family) is None for family in SEGMENTORS)
    assert reason("torchscript", "fcn", PRECISIONS[1])
