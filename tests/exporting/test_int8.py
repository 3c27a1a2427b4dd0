"""Lower precision: quantised layers, float arithmetic around them, and what it may cost."""

import json
import sys

import numpy as np
import onnx
import openvino
import pytest
import torch
from exported import DETECTOR
from PIL import Image

from resnest_dense import ResNeStError, export
from resnest_dense.cli import main
from resnest_dense.exporting.accuracy import read_validation
from resnest_dense.exporting.check import Report
from resnest_dense.exporting.compare import Difference
from resnest_dense.exporting.files import read_model, write_file
from resnest_dense.exporting.pictures import draw_pictures
from resnest_dense.exporting.quantize import kept_layers, quantize
from resnest_dense.exporting.subject import Options
from resnest_dense.frameworks import export_subject, find_framework
from resnest_dense.runtime import Runner
from resnest_dense.runtime.contract import Contract


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of images."""
    folder = tmp_path_factory.mktemp("images")
    for number, picture in enumerate(draw_pictures()[:3]):
        Image.fromarray(picture[::4, ::4]).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def labels(pictures, model_of, tmp_path_factory):
    """What the segmentor in PyTorch makes of them, as labels."""
    folder = tmp_path_factory.mktemp("labels")
    write_labels(*model_of("fcn"), pictures, folder)
    return folder


def write_labels(config, checkpoint, pictures, folder):
    predictor = find_framework(config).open(config, checkpoint, device="cpu")
    for path in pictures.iterdir():
        Image.fromarray(predictor.run(np.array(Image.open(path)))).save(folder / path.name)


def test_int8_of_a_segmentor_is_measured_and_stored(pictures, labels, model_of, tmp_path, capfd):
    path = tmp_path / "model.onnx"
    assert main(["export", *model_of("fcn"), "--format", "onnx", "--precision", "int8", "--out",
                 str(path), "--calibration", str(pictures), "--val", str(pictures), str(labels),
                 "--most-loss", "100"]) == 0
    contract = Contract.from_json((tmp_path / "model.onnx.json").read_text())
    scores = contract.check["scores"]
    assert scores["float32"]["mIoU"] > 99.9 > scores["file"]["mIoU"] > 50
    assert f"mIoU {scores['file']['mIoU']:.4g}"[:8] in capfd.readouterr().out
    graph = onnx.load(path).graph
    dequantised = {node.output[0]: node.input[0] for node in graph.node
                   if node.op_type == "DequantizeLinear"}
    kinds = {one.name: one.data_type for one in graph.initializer}
    layers = {node.name: kinds.get(dequantised.get(node.input[1]))
              for node in graph.node if node.op_type == "Conv"}
    assert contract.precision == "int8" and len(layers) > 20
    assert {*contract.kept_higher} == {name for name, kind in layers.items() if kind is None}
    assert len(contract.kept_higher) < 3
    assert {*layers.values()} <= {onnx.TensorProto.INT8, None}
    whole = Runner(path)(draw_pictures()[0])
    assert whole.pixels.shape == (480, 640)


@pytest.fixture
def export_wide(pictures, model_of, tmp_path):
    """Exports a model in which a channel is 100,000 times as large as those beside it, which in 8
    bits are nothing then; it is measured on what it finds in float32."""
    def export_it(norm):
        config, checkpoint = model_of("fcn")[0], str(tmp_path / "wide.pth")
        state = torch.load(model_of("fcn")[1], weights_only=True)
        head = state["state_dict"]
        head[f"{norm}.weight"][0], head[f"{norm}.bias"][0] = 1e5, 1e5
        head["decode_head.conv_seg.weight"][:, 0] = 0
        torch.save(state, checkpoint)
        (tmp_path / "labels").mkdir()
        write_labels(config, checkpoint, pictures, tmp_path / "labels")
        return export(config, checkpoint, "openvino", tmp_path / "model.xml", precision="int8",
                      calibration=[pictures], val=(pictures, tmp_path / "labels"), most_loss=25)

    return export_it


@pytest.mark.long
def test_a_layer_that_costs_too_much_stays_in_float(export_wide, tmp_path):
    report = export_wide("decode_head.convs.1.bn")
    assert report.before["mIoU"] > 99.9 and report.after["mIoU"] > 75
    kept = Contract.from_json((tmp_path / "model.xml.json").read_text()).kept_higher
    assert len(kept) < 5 and any("conv_cat" in name for name in kept)


@pytest.mark.long
def test_a_model_that_loses_too_much_whatever_goes_back_is_refused(export_wide, tmp_path):
    with pytest.raises(ResNeStError, match="more than 25 points, whichever .*--precision float16"):
        export_wide("decode_head.conv_cat.bn")
    assert not list(tmp_path.glob("model*"))


def test_int8_of_a_detector_leaves_boxes_and_scores_in_float(pictures, model_of, tmp_path):
    """Random weights find boxes by chance: what is quantised is looked at, not what is found."""
    subject = export_subject(*model_of("faster_rcnn"), Options(preprocess="inside"))
    write_file(subject, "openvino", tmp_path / "model.xml")
    model = quantize(read_model(tmp_path / "model.xml"), subject, sorted(pictures.iterdir()))
    fed = [(target.get_node().get_type_name(), target.get_node().get_friendly_name())
           for one in model.get_ops() if one.get_type_name() == "FakeQuantize"
           for target in one.output(0).get_target_inputs()]
    arithmetic = [name for kind, name in fed
                  if kind in ("Add", "Subtract", "Multiply", "Divide", "Exp", "Clamp", "Minimum")]
    assert len(fed) > 60 and all("/backbone/" in name for name in arithmetic)
    layers = [one for one in model.get_ops()
              if one.get_type_name() in ("Convolution", "GroupConvolution", "MatMul")]
    assert len(layers) > 30
    assert all("/fpn_lateral" in name for name in kept_layers(model))
    assert len(kept_layers(openvino.Core().read_model(tmp_path / "model.xml"))) == len(layers)


def test_a_file_that_loses_more_than_it_may_gets_no_name(pictures, labels, model_of, tmp_path,
                                                         capsys):
    command = ["export", *model_of("fcn"), "--format", "onnx", "--precision", "float16", "--out",
               str(tmp_path / "model.onnx"), "--val", str(pictures), str(labels)]
    assert main([*command, "--most-loss", "-1"]) == 1
    assert "mIoU falls from" in capsys.readouterr().err and not list(tmp_path.iterdir())
    assert main(command) == 0
    found = json.loads((tmp_path / "model.onnx.json").read_text())["check"]
    scores = found["scores"]
    assert found["images"] == "3 images"  # those of --val, not generated ones
    assert scores["float32"]["mIoU"] > 99.9 and scores["file"]["mIoU"] > 99


def test_a_loss_is_a_failure_and_a_gain_is_none():
    report = Report("images", (), Difference(), ())
    assert not report.with_scores({"box AP": 50.0}, {"box AP": 49.6}, 0.5).failures
    assert not report.with_scores({"box AP": 50.0}, {"box AP": 60.0}, 0.5).failures
    assert report.with_scores({"box AP": 50.0}, {"box AP": 49.4}, 0.5).failures
    assert report.with_scores({"box AP": 50.0}, {"box AP": float("nan")}, 0.5).failures


@pytest.mark.parametrize("changes, said", [
    (dict(precision="int8"), "name some by --calibration"),
    (dict(calibration=["PICTURES"]), "--calibration is for int8"),
    (dict(precision="int8", format="torchscript", out="model.pt"), "use onnx or openvino"),
    (dict(format="torchscript", out="model.pt", val=("PICTURES", "PICTURES")), "model.pt does not"),
    (dict(backbone=True, val=("PICTURES", "PICTURES")), "Features have no accuracy"),
    (dict(val=("PICTURES", "nowhere")), "No folder nowhere"),
    (dict(precision="int8", calibration=["nowhere"]), "nowhere")])
def test_what_cannot_be_measured_or_calibrated_is_said_before(changes, said, pictures, model_of,
                                                             tmp_path):
    given = dict(format="onnx", out="model.onnx") | changes
    for name in ("calibration", "val"):
        if name in given:
            given[name] = [str(pictures) if one == "PICTURES" else one for one in given[name]]
    with pytest.raises(ResNeStError, match=said):
        export(*model_of("fcn"), **{**given, "out": tmp_path / given["out"]})
    assert not list(tmp_path.iterdir())


def test_without_nncf_the_extra_is_named(model_of, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ResNeStError, match=r"pip install 'resnest_dense\[export\]'"):
        export(*model_of("fcn"), "onnx", tmp_path / "model.onnx", precision="int8")


def test_a_truth_of_other_classes_is_refused(tmp_path):
    truth = {"images": [{"id": 1, "file_name": "a.png"}],
             "categories": [{"id": 5, "name": "b"}],
             "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [0, 0, 9, 9]}]}
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    with pytest.raises(ResNeStError, match="truth.json has categories .* b"):
        read_validation(tmp_path, path, DETECTOR)
