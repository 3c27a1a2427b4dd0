"""What loading a detector tells: counts, what stays as it was, a backbone alone."""

import pytest
import torch
from detectron2.modeling import build_model

from resnest_dense import ResNeStError, create_backbone
from resnest_dense.configs import find_config
from resnest_dense.d2 import get_cfg
from resnest_dense.d2.checkpointer import load_weights

# A detector with a ResNeSt, and one that detectron2 loads by itself.
DETECTORS = {"resnest": ("resnest14_faster_rcnn", {"DEPTH": 14}),
             "resnet": ("resnet50_faster_rcnn", {"DEPTH": 18, "RES2_OUT_CHANNELS": 64})}


@pytest.fixture(params=DETECTORS)
def detector(request):
    config, keys = DETECTORS[request.param]
    cfg = get_cfg()
    cfg.merge_from_file(str(find_config(config, "detectron2")))
    cfg.MODEL.DEVICE, cfg.MODEL.ROI_BOX_HEAD.CONV_DIM, cfg.MODEL.ROI_BOX_HEAD.FC_DIM = "cpu", 8, 8
    cfg.MODEL.RESNETS.update(keys)
    return build_model(cfg)


def save(model, path, *, only=""):
    state = {name: value for name, value in model.state_dict().items() if name.startswith(only)}
    torch.save({"model": state}, path)
    return str(path)


def counted(names):
    return [name for name in names if not name.endswith("num_batches_tracked")]


def test_a_whole_detector_is_loaded_in_full(detector, tmp_path):
    report = load_weights(detector, save(detector, tmp_path / "all.pth"), remedy="None.")
    assert report.missing == report.mismatched == ()
    parts = report.backbone, report.heads
    assert all(loaded == wanted > 0 for loaded, wanted in parts)
    assert sum(wanted for _, wanted in parts) == len(counted(detector.state_dict()))


def test_a_backbone_alone_is_told_and_refused_where_there_is_a_remedy(detector, tmp_path):
    path = save(detector, tmp_path / "part.pth", only="backbone.bottom_up.")
    report = load_weights(detector, path)
    assert report.backbone[0] == report.backbone[1] and report.heads[0] == 0 < report.heads[1]
    assert len(counted(report.missing)) == report.heads[1]
    with pytest.raises(ResNeStError, match=r"part\.pth holds a backbone alone.*nothing\. Buy one"):
        load_weights(detector, path, remedy="Buy one.")


def test_weights_of_another_shape_are_missing_too(detector, tmp_path):
    state = detector.state_dict()
    state["roi_heads.box_predictor.cls_score.bias"] = torch.zeros(3)
    torch.save({"model": state}, tmp_path / "other.pth")
    report = load_weights(detector, str(tmp_path / "other.pth"), remedy="None.")
    assert [str(one) for one in report.mismatched] == [
        "roi_heads.box_predictor.cls_score.bias (3,) in the file, (81,) in the model"]
    assert report.missing == ("roi_heads.box_predictor.cls_score.bias",)


def test_no_source_loads_nothing(detector):
    assert load_weights(detector, "") is None


def test_a_part_of_a_checkpoint_is_named_behind_a_hash(tmp_path):
    first, average, net = (create_backbone("resnest14") for _ in range(3))
    torch.save({"model": first.state_dict(), "model_ema": average.state_dict()},
               tmp_path / "a.pth")
    assert load_weights(net, f"{tmp_path}/a.pth#model_ema").source == "a.pth#model_ema"
    assert all(net.state_dict()[name].equal(value) for name, value in average.state_dict().items())
