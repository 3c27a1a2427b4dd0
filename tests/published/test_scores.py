"""``evaluate-published`` from the command to its exit code, on checkpoints and sets made here."""

import json
import textwrap

import pytest
from forks import run_forked

from resnest_dense import ResNeStError, ResNeStValueError
from resnest_dense.configs import find_config
from resnest_dense.published import compare, wanted_metrics
from resnest_dense.weights import catalog

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
START = """
import contextlib, hashlib, io, json, os, torch

def publish(name, config, metrics, state, **fields):
    torch.save(state, name + ".pth")
    digest = hashlib.sha256(open(name + ".pth", "rb").read()).hexdigest()
    family = dict(title="ours", layout="detectron2", contract="imagenet", addresses=["here"],
                  hash_kind="sha256", **fields, entries={name: dict(
                      file=name + ".pth", architecture="resnest14", hash=digest, config=config,
                      metrics=metrics)})
    imagenet = dict(channel_order="RGB", value_range=1, mean=[0.485, 0.456, 0.406],
                    std=[0.229, 0.224, 0.225])
    with open(name + ".json", "w") as file:
        json.dump(dict(contracts=dict(imagenet=imagenet), families=[family],
                       addresses=dict(here=f"file://{os.getcwd()}/{{file}}")), file)

def evaluate(name, *arguments, catalog=None):
    from resnest_dense.cli import main

    os.environ["RESNEST_DENSE_CATALOG"] = catalog or name + ".json"
    os.environ["RESNEST_DENSE_WEIGHTS_DIR"] = "fetched"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main(["evaluate-published", name, *arguments])
    return code, said.getvalue()

"""
# Two images with a person all over each, and a detector for which every proposal is one.
MAKE_DETECTOR = """
import numpy as np
from detectron2.data.datasets.builtin_meta import COCO_CATEGORIES
from detectron2.modeling import build_model
from PIL import Image
from resnest_dense.d2 import get_cfg

os.makedirs("data/coco/annotations")
os.makedirs("data/coco/val2017")
images, boxes = [], []
for i in (1, 2):
    image = np.random.default_rng(i).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(image).save(f"data/coco/val2017/{i}.jpg")
    images.append(dict(id=i, file_name=f"{i}.jpg", height=64, width=64))
    boxes.append(dict(id=i, image_id=i, category_id=1, bbox=[0, 0, 64, 64], area=4096, iscrowd=0,
                      segmentation=[[0, 0, 64, 0, 64, 64, 0, 64]]))
categories = [dict(id=c["id"], name=c["name"]) for c in COCO_CATEGORIES if c["isthing"]]
with open("data/coco/annotations/instances_val2017.json", "w") as file:
    json.dump(dict(images=images, annotations=boxes, categories=categories), file)
cfg = get_cfg()
cfg.merge_from_file("detector.yaml")
torch.manual_seed(0)
model = build_model(cfg)
model.roi_heads.box_predictor.cls_score.bias.data[0] = 20
publish("detector", "detector.yaml", dict(box_ap=99.0), dict(model=model.state_dict()),
        dataset="coco")
"""
CASES = {
    "detector": """
        code, said = evaluate("detector", "--data", "data")
        assert code == 1 and "box_ap           published  99.00, measured " in said, said
        assert "MORE THAN 0.1" in said and "torch                    " in said
        measured = json.load(open("published/detector/results.json"))["bbox"]["AP"]

        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
        truth = COCO("data/coco/annotations/instances_val2017.json")
        found = truth.loadRes("published/detector/inference/coco_instances_results.json")
        oracle = COCOeval(truth, found, "bbox")
        oracle.evaluate(), oracle.accumulate(), oracle.summarize()
        assert measured > 1 and abs(measured - 100 * oracle.stats[0]) < 1e-9, measured

        right = open("detector.json").read().replace("99.0", str(round(measured, 2)))
        open("right.json", "w").write(right)
        code, said = evaluate("detector", "--out", "again", catalog="right.json")
        assert code == 0 and "MORE" not in said, said""",
    # A quarter of each image is class 3 and the rest class 7; the segmentor says 3 everywhere.
    "segmentor": """
        import numpy as np
        from PIL import Image
        import quick_configs  # and with it resnest_dense.mmseg
        from mmengine.config import Config
        from mmengine.registry import MODELS, init_default_scope

        os.makedirs("ade/images/validation")
        os.makedirs("ade/annotations/validation")
        label = np.full((40, 48), 7, np.uint8)
        label[:20, :24] = 3
        for i in (1, 2):
            image = np.random.default_rng(i).integers(0, 255, (40, 48, 3), np.uint8)
            Image.fromarray(image).save(f"ade/images/validation/{i}.jpg")
            Image.fromarray(label).save(f"ade/annotations/validation/{i}.png")
        init_default_scope("mmseg")
        model = MODELS.build(Config.fromfile("segmentor.py").model)
        model.decode_head.conv_seg.bias.data[2] = 100
        publish("segmentor", "segmentor.py", dict(pix_acc_ms_flip=25.0, miou_ms_flip=12.5),
                dict(state_dict=model.state_dict(), meta={}), dataset="ade20k",
                options=dict(dilated_form="official"))
        code, said = evaluate("segmentor", "--data", "ade")
        assert code == 0, said
        assert "pix_acc_ms_flip  published  25.00, measured  25.00, difference +0.00" in said
        assert "miou_ms_flip     published  12.50, measured  12.50" in said

        with contextlib.redirect_stderr(io.StringIO()) as said:
            assert evaluate("segmentor", "--data", "nowhere")[0] == 2
        said = said.getvalue()
        assert "name its folder: data_root of the data sets in the config, --data" in said""",
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    (folder / "detector.yaml").write_text(
        DETECTOR.format(base=find_config("resnest14_faster_rcnn", "detectron2")))
    (folder / "segmentor.py").write_text(
        SEGMENTOR.format(base=find_config("resnest14_deeplabv3_ade20k", "mmseg")))
    cases = {"make": MAKE_DETECTOR, **CASES}
    # detectron2 is not imported before: it asks for the folder of data sets when it is.
    return run_forked({name: START + textwrap.dedent(code) for name, code in cases.items()},
                      cwd=folder)


@pytest.mark.parametrize("case", CASES)
def test_a_published_checkpoint_is_measured_and_compared(case, failures):
    assert failures["make"] == failures[case] == ""


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
