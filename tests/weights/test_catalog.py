"""The catalog: complete, consistent, and findable by what users have."""

import inspect
import re
from collections import Counter

import pytest
import torch

from resnest_dense import ResNeStValueError, create_backbone, list_architectures
from resnest_dense.weights import catalog
from resnest_dense.weights.layouts import LAYOUTS

ENTRIES = [catalog.get(name) for name in catalog.names()]
METRICS = {"top1", "top5", "box_ap", "mask_ap", "pq", "miou", "miou_ms_flip", "pix_acc_ms_flip",
           "box_ap_test_dev_ms", "mask_ap_test_dev_ms"}
LENGTHS = {"sha256": 64, "sha1": 40, "unstated": 8}


def test_every_published_file_is_there():
    assert Counter(entry.title for entry in ENTRIES) == {
        "Official torch code": 11,
        "timm's conversions of GluonCV": 2,
        "timm": 8,
        "torchvision, ImageNet, first recipe": 4,
        "timm, ImageNet, networks before ResNeSt": 5,
        "Official detectron2 code, ImageNet": 4,
        "Official detectron2 code, ImageNet, superseded": 4,
        "Official detectron2 code, COCO": 13,
        "Official detectron2 code, COCO, ResNet baselines": 8,
        "OpenMMLab, ImageNet": 3,
        "MMClassification (MMPretrain)": 4,
        "PyTorch-Encoding, ImageNet": 4,
        "PyTorch-Encoding, ADE20K": 5,
        "PyTorch-Encoding, Pascal Context": 5,
        "MMSegmentation, Cityscapes": 4,
        "MMSegmentation, ADE20K": 4,
        "MMDetection, COCO": 8,
    }


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_entries_are_consistent(entry):
    assert entry.layout in LAYOUTS
    assert entry.architecture in [*list_architectures(), "resnet50", "resnet101"]
    assert entry.addresses and all(a.startswith("https://") for a in entry.addresses)
    assert "{" not in "".join(entry.addresses)
    assert entry.hash is None or re.fullmatch("[0-9a-f]+", entry.hash)
    assert entry.hash is None or 8 <= len(entry.hash) <= LENGTHS[entry.hash_kind]
    assert entry.hash is None or entry.hash[:8] in entry.file
    assert entry.file.endswith((".pth", ".safetensors"))
    assert entry.dataset in ("imagenet", "coco", "ade20k", "cityscapes", "pascal_context")
    assert set(entry.metrics) - {"crop"} <= METRICS
    assert all(20 < value < 100 for key, value in entry.metrics.items() if key != "crop")
    assert set(entry.options) <= set(inspect.signature(create_backbone).parameters)
    assert entry.superseded_by is None or catalog.get(entry.superseded_by)


def test_names_files_and_hashes_are_unique():
    for values in (catalog.names(), [e.file for e in ENTRIES], [e.hash for e in ENTRIES if e.hash],
                   [address for e in ENTRIES for address in e.addresses]):
        assert not [value for value, count in Counter(values).items() if count > 1]


def test_published_figures():
    assert catalog.get("resnest269").metrics["top1"] == 84.54
    panoptic = catalog.get("panoptic_ResNeSt_200_FPN_syncBN_tricks_3x")
    assert panoptic.metrics == {"box_ap": 51.0, "mask_ap": 43.68, "pq": 47.9}
    assert catalog.get("deeplabv3_s101-d8_512x512_160k_ade20k").metrics["miou"] == 45.71
    assert catalog.get("timm/resnest50d.in1k").licence == "Apache-2.0"


def test_what_a_network_was_trained_with_builds_it():
    for name in ("DeepLab_ResNeSt50_ADE", "faster_rcnn_ResNeSt_50_FPN_dcn_syncbn_range-scale_1x"):
        entry = catalog.get(name)
        with torch.device("meta"):
            assert create_backbone(entry.architecture, **entry.options)
    assert entry.options["deform"].groups == 2


@pytest.mark.parametrize("text,name", [
    ("resnest50-528c19ca.pth", "resnest50"),
    ("528c19ca", "resnest50"),
    ("528c19ca" + "0" * 56, "resnest50"),
    ("2225f09d", "DeepLab_ResNeSt50_ADE"),
    ("2225f09d0f40b9a168d9091652194bc35ec2a5a9", "DeepLab_ResNeSt50_ADE"),
    ("mask_rcnn_s50_fpn_syncbn-backbone%2Bhead_mstrain_1x_coco_20200926_125503-8a2c3d47.pth",
     "mask_rcnn_s50_fpn_syncbn-backbone+head_mstrain_1x_coco"),
    ("https://huggingface.co/timm/resnest50d.in1k/resolve/main/model.safetensors",
     "timm/resnest50d.in1k"),
])
def test_files_that_users_have_are_recognised(text, name):
    assert catalog.find(text).name == name


@pytest.mark.parametrize("text", ["model_final.pth", "resnest50", "528c19c", "", "resnest50.pth"])
def test_others_are_not(text):
    assert catalog.find(text) is None


def test_unknown_names_are_told_the_nearest():
    with pytest.raises(ResNeStValueError, match="weights 'resnest52'. Did you mean 'resnest"):
        catalog.get("resnest52")
