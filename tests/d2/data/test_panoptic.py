"""Panoptic FPN on real COCO panoptic data: detectron2's own names, own files, its metrics."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from d2_runs import SMALL
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_panoptic
from detectron2.structures import Boxes, BoxMode, Instances
from PIL import Image
from pycocotools import mask as coco_mask
from torch import nn

from resnest_dense import ResNeStError
from resnest_dense.configs import find_config
from resnest_dense.d2.data.checks import check_datasets
from resnest_dense.d2.data.panoptic import derive_missing
from resnest_dense.d2.train import make_parser, read_config
from resnest_dense.d2.train.trainer import Trainer

MODEL = f"""
_BASE_: {find_config("resnest14_mask_rcnn_mini.yaml", "detectron2")}
MODEL:
  META_ARCHITECTURE: PanopticFPN
  SEM_SEG_HEAD: {{IN_FEATURES: [p3, p4, p5], CONVS_DIM: 32}}
DATASETS:
  TRAIN: [coco_2017_val_panoptic_separated]
  TEST: [coco_2017_val_panoptic_separated]
TEST:
  AUG: {{ENABLED: true, MIN_SIZES: [64]}}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "panoptic.yaml"
    path.write_text(MODEL)
    return ["--config-file", str(path)]


@pytest.fixture
def sample(shared_data):
    return shared_data("coco_panoptic_sample")


def own(sample, *splits, **others):
    files = {"images": sample / "val2017",
             "panoptic-json": sample / "annotations/panoptic_val2017.json",
             "panoptic-pngs": sample / "panoptic_val2017", **others}
    return [f"--{split}-{kind}={path}" for split in splits for kind, path in files.items()]


def test_detectron2s_own_name_trains(config, sample, train_net, tmp_path, monkeypatch):
    # The layout of the documentation, but without the labels that detectron2's script would write.
    shutil.copytree(sample, tmp_path / "datasets/coco",
                    ignore=shutil.ignore_patterns("panoptic_stuff*"))
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "datasets"))
    out = tmp_path / "run"
    code, output = train_net(*config, *SMALL, "SOLVER.MAX_ITER", 2, "OUTPUT_DIR", out)
    assert code == 0, output
    assert "boxes and masks alone" in output and "Interrupted" not in output
    assert output.count("post-processing") == 2  # without and with augmentation
    row = json.loads((out / "metrics.json").read_text().splitlines()[-1])
    assert {"panoptic_seg/PQ", "panoptic_seg/PQ_st", "sem_seg/mIoU", "bbox/AP",
            "bbox_TTA/AP"} <= set(row)
    derived = out / "derived/coco_2017_val_panoptic_separated/stuff"
    for path in (sample / "panoptic_stuff_val2017").glob("*.png"):
        ours = np.asarray(Image.open(derived / path.name))
        np.testing.assert_array_equal(ours, np.asarray(Image.open(path)))


class Truth(nn.Module):
    """A network that finds exactly what is annotated in the data set of a name."""

    def __init__(self, name):
        super().__init__()
        self.metadata = MetadataCatalog.get(name)
        self.records = {record["image_id"]: record for record in DatasetCatalog.get(name)}
        content = json.loads(Path(self.metadata.panoptic_json).read_text())
        self.panoptic = {entry["image_id"]: entry for entry in content["annotations"]}

    def forward(self, inputs):
        return [self.find(x["image_id"]) for x in inputs]

    def find(self, image_id):
        record, metadata = self.records[image_id], self.metadata
        labels = torch.from_numpy(np.array(Image.open(record["sem_seg_file_name"]))).long()
        labels[labels == 255] = 0
        stuff = nn.functional.one_hot(labels, len(metadata.stuff_classes)).permute(2, 0, 1)
        entry = self.panoptic[image_id]
        png = Path(metadata.panoptic_root, entry["file_name"])
        pixels = np.array(Image.open(png), dtype=np.int32)
        ids = torch.from_numpy(pixels @ np.array([1, 256, 65536], dtype=np.int32))
        segments = []
        for segment in entry["segments_info"]:
            category, things = segment["category_id"], metadata.thing_dataset_id_to_contiguous_id
            known = things if category in things else metadata.stuff_dataset_id_to_contiguous_id
            segments.append({"id": segment["id"], "isthing": category in things,
                             "category_id": known[category]})
        return {"sem_seg": stuff, "panoptic_seg": (ids, segments), "instances": _objects(record)}


def _objects(record):
    found = [a for a in record["annotations"] if not a["iscrowd"]]
    size = record["height"], record["width"]
    boxes = [BoxMode.convert(a["bbox"], BoxMode.XYWH_ABS, BoxMode.XYXY_ABS) for a in found]
    return Instances(
        size, pred_boxes=Boxes(torch.tensor(boxes)), scores=torch.ones(len(found)),
        pred_classes=torch.tensor([a["category_id"] for a in found]),
        pred_masks=torch.from_numpy(np.stack([_mask(a["segmentation"], size) for a in found])))


def _mask(segmentation, size):
    if isinstance(segmentation, list):
        segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))
    return coco_mask.decode(segmentation).astype(bool)


@pytest.mark.parametrize("instances", [True, False], ids=["own instances", "derived instances"])
def test_ground_truth_scores_100(config, sample, tmp_path, instances, caplog):
    files = own(sample, "val", **(
        {"json": sample / "annotations/instances_val2017.json"} if instances else {}))
    cfg = read_config(make_parser().parse_args([*config, *files, "OUTPUT_DIR",
                                                str(tmp_path / "run")]))
    check_datasets(cfg, cfg.DATASETS.TEST)
    derive_missing(cfg.DATASETS.TEST)
    with caplog.at_level("INFO"):
        results = Trainer.test(cfg, Truth("own_val"))
    # 8 classes occur: 4 things and 4 kinds of stuff.
    assert {key: results["panoptic_seg"][key] for key in ("PQ", "SQ", "RQ", "PQ_th", "PQ_st")} == {
        "PQ": 100, "SQ": 100, "RQ": 100, "PQ_th": 100, "PQ_st": 100}
    assert results["bbox"]["AP"] == results["segm"]["AP"] == pytest.approx(100)
    assert np.isnan(results["segm"]["APl"])  # no object there is large
    assert results["sem_seg"]["mIoU"] == 100 and results["sem_seg"]["pACC"] == 100
    assert "Evaluation of own_val: network" in caplog.text


def test_classes_come_from_the_panoptic_file(config, sample, tmp_path):
    cfg = read_config(make_parser().parse_args([*config, *own(sample, "train", "val"),
                                                "OUTPUT_DIR", str(tmp_path)]))
    assert (cfg.MODEL.ROI_HEADS.NUM_CLASSES, cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES) == (80, 54)
    assert cfg.INPUT.MASK_FORMAT == "bitmask"
    ours = MetadataCatalog.get("own_train")
    stock = MetadataCatalog.get("coco_2017_val_panoptic_separated")
    for key in ("thing_classes", "thing_dataset_id_to_contiguous_id",
                "stuff_dataset_id_to_contiguous_id"):
        assert getattr(ours, key) == getattr(stock, key)


def test_own_stuff_labels_are_not_derived_again(config, sample, tmp_path):
    files = own(sample, "train", **{"stuff-pngs": sample / "panoptic_stuff_val2017"})
    cfg = read_config(make_parser().parse_args([*config, *files, "OUTPUT_DIR",
                                                str(tmp_path / "run")]))
    derive_missing(cfg.DATASETS.TRAIN)
    assert os.listdir(tmp_path / "run/derived/own_train") == ["instances"]
    [first, *_] = DatasetCatalog.get("own_train")
    assert Path(first["sem_seg_file_name"]).parent == sample / "panoptic_stuff_val2017"
    assert Path(first["sem_seg_file_name"]).stem == Path(first["file_name"]).stem


@pytest.mark.parametrize("arguments, words", [
    (["--train-json", "a.json", "--train-images", "a"], "--train-panoptic-json and"),
    (["--train-images", "a", "--train-panoptic-json", "a.json"], "--train-panoptic-pngs belong"),
    (["--val-panoptic-json", "a.json", "--val-panoptic-pngs", "a"], "--val-images belong together"),
    (["--val-images", "a", "--val-panoptic-json", "a.json", "--val-panoptic-pngs", "a",
      "MODEL.META_ARCHITECTURE", "GeneralizedRCNN"], "are for Panoptic FPN"),
    (["--val-images", "a", "--val-panoptic-json", "a.json", "--val-panoptic-pngs", "a"],
     "a.json cannot be read"),
])
def test_incomplete_own_files_are_refused(config, arguments, words):
    with pytest.raises(ResNeStError, match=words):
        read_config(make_parser().parse_args([*config, *arguments]))


@pytest.mark.parametrize("files, words", [
    ({"stuff-pngs": "nowhere"}, "stuff-missing"),
    ({"json": "nowhere.json"}, "no file nowhere.json")])
def test_files_that_are_named_must_exist(config, sample, files, words):
    cfg = read_config(make_parser().parse_args([*config, *own(sample, "val", **files)]))
    with pytest.raises(ResNeStError, match=words):
        check_datasets(cfg, cfg.DATASETS.TEST)


def test_a_set_without_semantic_labels_is_refused(config, sample):
    register_coco_panoptic("plain_panoptic", {}, str(sample / "val2017"),
                           str(sample / "panoptic_val2017"),
                           str(sample / "annotations/panoptic_val2017.json"))
    cfg = read_config(make_parser().parse_args(config))
    with pytest.raises(ResNeStError, match="plain_panoptic_separated"):
        check_datasets(cfg, ("plain_panoptic",))
