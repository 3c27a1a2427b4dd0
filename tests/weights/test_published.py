"""``evaluate-published`` from the command to its exit code, on checkpoints and sets made here."""

import hashlib
import json
import textwrap

import numpy as np
import pytest
from forks import run_forked
from PIL import Image

from resnest_dense import ResNeStError, ResNeStValueError
from resnest_dense.configs import find_config
from resnest_dense.weights import catalog
from resnest_dense.weights.published import compare, wanted_metrics

DETECTOR = """
_BASE_: {base}
MODEL:
  DEVICE: cpu
  FPN: {{NORM: ""}}
  ROI_BOX_HEAD: {{CONV_DIM: 8, FC_DIM: 8, NORM: ""}}
  RPN: {{POST_NMS_TOPK_TEST: 30}}
INPUT: {{MIN_SIZE_TEST: 64, MAX_SIZE_TEST: 64}}
DATALOADER: {{NUM_WORKERS: 0}}
"""
SEGMENTOR = """
_base_ = ["{base}"]
model = dict(decode_head=dict(channels=8), auxiliary_head=dict(channels=8))
test_dataloader = dict(num_workers=0, persistent_workers=False)
tta_model = dict(base_size=40, crop_size=24, scales=(0.5, 1.0))
"""
# Every proposal is a person, and every pixel of class 3.
MAKE = """
import torch
from resnest_dense.d2 import get_cfg
from detectron2.modeling import build_model
cfg = get_cfg()
cfg.merge_from_file("detector.yaml")
torch.manual_seed(0)
model = build_model(cfg)
model.roi_heads.box_predictor.cls_score.bias.data[0] = 20
torch.save({"model": model.state_dict()}, "detector.pth")

import resnest_dense.mmseg
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
init_default_scope("mmseg")
model = MODELS.build(Config.fromfile("segmentor.py").model)
model.decode_head.conv_seg.bias.data[2] = 100
torch.save({"state_dict": model.state_dict(), "meta": {}}, "segmentor.pth")
"""
RUN = """
import contextlib, io, json, os
from resnest_dense.cli import main

os.environ["RESNEST_DENSE_CATALOG"] = "catalog.json"
os.environ["RESNEST_DENSE_WEIGHTS_DIR"] = "fetched"

def evaluate(name, *arguments):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main(["evaluate-published", name, "--data", name.split("-")[0], *arguments])
    return code, said.getvalue()

"""
CASES = {
    "detector": """
        code, said = evaluate("detector-wrong")
        assert code == 1 and "box_ap           published  99.00, measured " in said, said
        assert "MORE THAN 0.1" in said and "torch                    " in said
        measured = json.load(open("published/detector-wrong/results.json"))["bbox"]["AP"]

        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
        truth = COCO("detector/coco/annotations/instances_val2017.json")
        found = truth.loadRes("published/detector-wrong/inference/coco_instances_results.json")
        oracle = COCOeval(truth, found, "bbox")
        oracle.evaluate(), oracle.accumulate(), oracle.summarize()
        assert measured > 1 and abs(measured - 100 * oracle.stats[0]) < 1e-9, measured

        content = open("catalog.json").read().replace("99.0", str(round(measured, 2)))
        open("right.json", "w").write(content)
        os.environ["RESNEST_DENSE_CATALOG"] = "right.json"
        code, said = evaluate("detector-wrong")
        assert code == 0 and "difference +0.00" in said or "difference -0.00" in said, said""",
    "segmentor": """
        code, said = evaluate("segmentor-right")
        assert code == 0, said
        assert "pix_acc_ms_flip  published  25.00, measured  25.00, difference +0.00" in said
        assert "miou_ms_flip     published  12.50, measured  12.50" in said""",
}


def write_coco(folder):
    """Two images with a person all over each, in the layout that detectron2 expects."""
    from detectron2.data.datasets.builtin_meta import COCO_CATEGORIES

    (folder / "annotations").mkdir(parents=True)
    (folder / "val2017").mkdir()
    images, boxes = [], []
    for i in (1, 2):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (64, 64, 3), np.uint8)).save(
            folder / "val2017" / f"{i}.jpg")
        images.append({"id": i, "file_name": f"{i}.jpg", "height": 64, "width": 64})
        boxes.append({"id": i, "image_id": i, "category_id": 1, "bbox": [0, 0, 64, 64],
                      "area": 4096, "iscrowd": 0, "segmentation": [[0, 0, 64, 0, 64, 64, 0, 64]]})
    categories = [{"id": c["id"], "name": c["name"]} for c in COCO_CATEGORIES if c["isthing"]]
    (folder / "annotations" / "instances_val2017.json").write_text(
        json.dumps({"images": images, "annotations": boxes, "categories": categories}))


def write_ade(folder):
    """Two images of which a quarter is class 3 and the rest class 7."""
    for kind in ("images", "annotations"):
        (folder / kind / "validation").mkdir(parents=True)
    label = np.full((40, 48), 7, np.uint8)
    label[:20, :24] = 3
    for i in (1, 2):
        image = np.random.default_rng(i).integers(0, 255, (40, 48, 3), np.uint8)
        Image.fromarray(image).save(folder / "images" / "validation" / f"{i}.jpg")
        Image.fromarray(label).save(folder / "annotations" / "validation" / f"{i}.png")


def entry(folder, file, config, metrics, **fields):
    digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    return {"file": file, "architecture": "resnest14", "hash": digest, "config": config,
            "metrics": metrics, **fields}


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    write_coco(folder / "detector" / "coco")
    write_ade(folder / "segmentor")
    (folder / "detector.yaml").write_text(
        DETECTOR.format(base=find_config("resnest14_faster_rcnn", "detectron2")))
    (folder / "segmentor.py").write_text(
        SEGMENTOR.format(base=find_config("resnest14_deeplabv3_ade20k", "mmseg")))
    assert run_forked({"make": MAKE}, cwd=folder) == {"make": ""}
    family = {"title": "ours", "layout": "detectron2", "contract": "imagenet", "addresses": ["here"],
              "hash_kind": "sha256"}
    own = {
        "contracts": {"imagenet": {"channel_order": "RGB", "value_range": 1,
                                   "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}},
        "addresses": {"here": folder.as_uri() + "/{file}"},
        "families": [{**family, "entries": {
            "detector-wrong": entry(folder, "detector.pth", "detector.yaml", {"box_ap": 99.0},
                                    dataset="coco"),
            "segmentor-right": entry(folder, "segmentor.pth", "segmentor.py",
                                     {"pix_acc_ms_flip": 25.0, "miou_ms_flip": 12.5},
                                     dataset="ade20k", options={"dilated_form": "official"}),
        }}],
    }
    (folder / "catalog.json").write_text(json.dumps(own))
    return run_forked({name: RUN + textwrap.dedent(code) for name, code in CASES.items()},
                      cwd=folder)


@pytest.mark.parametrize("case", CASES)
def test_a_published_checkpoint_is_measured_and_compared(case, failures):
    assert failures[case] == ""


@pytest.mark.parametrize("name,multi_scale,metrics", [
    ("mask_rcnn_ResNeSt_50_FPN_syncBN_1x", False, ("box_ap", "mask_ap")),
    ("DeepLab_ResNeSt50_ADE", False, ("pix_acc_ms_flip", "miou_ms_flip")),
    ("pspnet_s101-d8_512x512_160k_ade20k", False, ("miou",)),
    ("pspnet_s101-d8_512x512_160k_ade20k", True, ("miou_ms_flip",)),
])
def test_what_one_evaluation_can_measure(name, multi_scale, metrics):
    assert wanted_metrics(catalog.get(name), multi_scale=multi_scale) == metrics


@pytest.mark.parametrize("name,multi_scale,words", [
    ("resnest50", False, "it is a backbone"),
    ("mask_rcnn_s50_fpn_syncbn-backbone+head_mstrain_1x_coco", False, "with their code"),
    ("mask_rcnn_ResNeSt_50_FPN_syncBN_1x", True, "nothing of it was published with flips"),
])
def test_what_cannot_be_measured_is_said(name, multi_scale, words):
    with pytest.raises(ResNeStValueError, match=words):
        wanted_metrics(catalog.get(name), multi_scale=multi_scale)


@pytest.mark.parametrize("measured,agrees", [(42.43, True), (42.23, True), (42.44, False),
                                             (42.2, False), (float("nan"), False)])
def test_a_tenth_of_a_percent_is_the_limit(measured, agrees):
    entry = catalog.get("faster_rcnn_ResNeSt_50_FPN_syncbn_range-scale_1x")
    (score,) = compare(entry, {"box_ap": measured})
    assert score.agrees == agrees and ("MORE THAN" in str(score)) != agrees


def test_a_catalog_of_ones_own_goes_before(tmp_path, monkeypatch):
    own = {"contracts": {}, "addresses": {}, "families": []}
    (tmp_path / "own.json").write_text(json.dumps(own))
    monkeypatch.setenv("RESNEST_DENSE_CATALOG", str(tmp_path / "own.json"))
    assert "resnest50" in catalog.names()
    (tmp_path / "broken.json").write_text("{")
    monkeypatch.setenv("RESNEST_DENSE_CATALOG", str(tmp_path / "broken.json"))
    with pytest.raises(ResNeStError, match="broken.json, named by RESNEST_DENSE_CATALOG"):
        catalog.names()
