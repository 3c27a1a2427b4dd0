"""The config that each published checkpoint belongs to builds its network and gives its input."""

import pytest
import quick_configs  # noqa: F401
from mmengine.config import Config

import resnest_dense.mmseg  # noqa: F401
from resnest_dense.configs import find_config
from resnest_dense.d2 import get_cfg
from resnest_dense.weights import catalog, check_contract

ENTRIES = [catalog.get(name) for name in catalog.names()]
DETECTORS = [entry for entry in ENTRIES if (entry.config or "").endswith(".yaml")]
SEGMENTORS = [entry for entry in ENTRIES if (entry.config or "").endswith(".py")]


def test_who_has_none():
    """Backbones, and heads that no config here builds."""
    without = {entry.name for entry in ENTRIES if entry.config is None
               and entry.dataset != "imagenet" and entry.title != "MMDetection, COCO"}
    assert not without
    assert not [entry for entry in ENTRIES if entry.config and entry.dataset == "imagenet"]


def test_each_detector_has_a_config_of_its_own():
    assert len({entry.config for entry in DETECTORS}) == len(DETECTORS) == 21


@pytest.mark.parametrize("entry", DETECTORS, ids=lambda entry: entry.name)
def test_detectors(entry):
    cfg = get_cfg()
    cfg.merge_from_file(str(find_config(entry.config, "detectron2")))
    kind = "resnest" if "resnest" in cfg.MODEL.BACKBONE.NAME else "resnet"
    assert entry.architecture == f"{kind}{cfg.MODEL.RESNETS.DEPTH}"
    check_contract(entry.contract, channel_order=cfg.INPUT.FORMAT, mean=cfg.MODEL.PIXEL_MEAN,
                   std=cfg.MODEL.PIXEL_STD)
    deform = entry.options.get("deform")
    assert any(cfg.MODEL.RESNETS.DEFORM_ON_PER_STAGE) == bool(deform)
    assert not deform or cfg.MODEL.RESNETS.DEFORM_NUM_GROUPS == deform.groups
    assert cfg.MODEL.MASK_ON == ("mask_ap" in entry.metrics)
    assert ("Panoptic" in cfg.MODEL.META_ARCHITECTURE) == ("pq" in entry.metrics)
    # Microsoft's ResNets, from which the baselines were trained, stride in the 1x1.
    assert cfg.MODEL.RESNETS.STRIDE_IN_1X1 == (kind == "resnet")


@pytest.mark.parametrize("entry", SEGMENTORS, ids=lambda entry: entry.name)
def test_segmentors(entry):
    model = Config.fromfile(find_config(entry.config, "mmseg")).model
    assert model.backbone.architecture == entry.architecture
    for option, value in entry.options.items():
        assert model.backbone[option] == value
    heads = {"fcn": "FCNHead", "psp": "PSPHead", "deeplabv3plus": "DepthwiseSeparableASPPHead"}
    head = next((heads[key] for key in heads if entry.name.lower().startswith(key)), None)
    expected = head or ("ASPPHead" if entry.layout == "mm" else "resnest_dense.DeepLabV3Head")
    assert model.decode_head.type == expected
    preprocessor = model.data_preprocessor
    check_contract(entry.contract, channel_order="RGB" if preprocessor.bgr_to_rgb else "BGR",
                   mean=preprocessor.mean, std=preprocessor.std)
