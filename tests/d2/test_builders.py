"""The registered builders: what the config's keys do, and what they refuse."""

import importlib

import pytest
import torch
from d2_batches import batch, shrink
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, build_backbone, build_model
from detectron2.utils.events import EventStorage
from forks import call_in_fork
from one_block import EACH_FORM, use_one_block

from resnest_dense import ResNeStError, create_backbone, list_architectures
from resnest_dense.configs import find_config
from resnest_dense.d2 import backbone as builders
from resnest_dense.d2 import build_resnest_backbone, get_cfg

RGB = ShapeSpec(channels=3)
BUILDERS = ("build_resnest_backbone", "build_resnest_fpn_backbone",
            "build_retinanet_resnest_fpn_backbone")


def config(**keys):
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.FREEZE_AT = 0
    cfg.MODEL.RESNETS.NORM = "BN"
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res3", "res4", "res5"]
    for key, value in keys.items():
        cfg.MODEL.RESNETS[key] = value
    return cfg


def build(**keys):
    with torch.device("meta"):
        return build_resnest_backbone(config(**keys), RGB)


@pytest.mark.parametrize("name", BUILDERS)
def test_builders_are_registered_and_come_from_here(name):
    assert BACKBONE_REGISTRY.get(name).__module__.startswith("resnest_dense.d2")


def test_importing_twice_changes_nothing():
    def reload():
        before = set(dict(BACKBONE_REGISTRY))
        importlib.reload(builders)
        assert before == set(dict(BACKBONE_REGISTRY))

    assert call_in_fork(reload) == (0, "")


@pytest.mark.parametrize("name,levels", [
    ("build_resnest_fpn_backbone", {"p3": 8, "p4": 16, "p5": 32, "p6": 64}),
    ("build_retinanet_resnest_fpn_backbone", {"p3": 8, "p4": 16, "p5": 32, "p6": 64, "p7": 128}),
])
def test_pyramids_have_their_levels(name, levels):
    cfg = config(DEPTH=14)
    cfg.MODEL.BACKBONE.NAME = name
    cfg.MODEL.FPN.IN_FEATURES = ["res3", "res4", "res5"]
    backbone = build_backbone(cfg)
    assert {k: v.stride for k, v in backbone.output_shape().items()} == levels
    features = backbone.eval()(torch.zeros(1, 3, 128, 128))
    assert {k: 128 // f.shape[-1] for k, f in features.items()} == levels


VARIANTS = {
    "resnest101_fast": dict(DEPTH=101, AVD_FIRST=True, STEM_WIDTH=32),
    **{f"resnest{depth}": dict(DEPTH=depth) for depth in (14, 26, 50, 101, 152, 200, 269)},
    **{f"resnest50_fast_{r}s{k}x{w}d": dict(DEPTH=50, AVD_FIRST=True, RADIX=r, NUM_GROUPS=k,
                                            BOTTLENECK_WIDTH=w)
       for r, k, w in ((1, 1, 64), (2, 1, 64), (4, 1, 64), (1, 2, 40), (2, 2, 40), (4, 2, 40),
                       (1, 4, 24))},
}


def test_the_variants_are_all_architectures():
    assert set(VARIANTS) == {name for name in list_architectures() if name.startswith("resnest")}


@pytest.mark.parametrize("name", ["resnest101_fast", *(
    name for name in list_architectures() if not name.startswith("resnest"))])
def test_every_network_can_be_said_by_its_name(name):
    with torch.device("meta"):
        expected = create_backbone(name).state_dict()
    state = build(ARCHITECTURE=name).state_dict()
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in expected.items()}


@pytest.mark.parametrize("keys,said", [
    (dict(ARCHITECTURE="sknet15"), "Unknown architecture 'sknet15'"),
    (dict(ARCHITECTURE="sknet14", RADIX=4), "MODEL.RESNETS.RADIX is 4: leave it at 2"),
    (dict(ARCHITECTURE="sknet14", DEFORM_ON_PER_STAGE=[False, True, True, True]),
     "Selective kernels have no deformable form"),
])
def test_what_a_name_does_not_go_with_is_refused(keys, said):
    with pytest.raises(ResNeStError, match=said):
        build(**keys)


@pytest.mark.parametrize("name", EACH_FORM)
def test_a_detector_of_it_takes_a_training_step(name, monkeypatch):
    use_one_block(monkeypatch, name)
    cfg = shrink(get_cfg())
    cfg.merge_from_file(str(find_config("resnest50_faster_rcnn.yaml", "detectron2")))
    cfg.MODEL.WEIGHTS, cfg.MODEL.RESNETS.ARCHITECTURE, cfg.MODEL.RESNETS.DEPTH = "", name, 50
    shrink(cfg)
    model = build_model(cfg)
    with EventStorage():
        losses = model(batch())
    sum(losses.values()).backward()
    learns = [p for n, p in model.named_parameters() if n.startswith("backbone.bottom_up.res5")]
    assert learns and all(p.grad is not None and p.grad.isfinite().all() for p in learns)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_architecture_can_be_said_in_keys(name):
    with torch.device("meta"):
        named = create_backbone(name, out_features=("res3", "res4", "res5"))
    ours = build(**VARIANTS[name])
    assert str(ours).replace("ResNeStBackbone", "ResNeSt") == str(named)


def test_res5_dilation_gives_the_wrappers_form_unless_told_otherwise():
    wrapper, official = build(DEPTH=14, RES5_DILATION=2), build(DEPTH=14, RES5_DILATION=2,
                                                               DILATED_FORM="official")
    assert wrapper.res5[0].avd_layer is None and wrapper.res5[0].conv2.conv.dilation == (2, 2)
    assert official.res5[0].avd_layer is not None
    assert build(DEPTH=14, RES5_DILATION=4).output_shape()["res5"].stride == 8


def test_stride_in_1x1_does_not_reach_a_resnest():
    assert str(build(DEPTH=14, STRIDE_IN_1X1=True)) == str(build(DEPTH=14, STRIDE_IN_1X1=False))


def test_other_input_channels_checkpointing_and_compiling_arrive():
    keys = config(DEPTH=14, CHECKPOINT_STAGES=["res4"], COMPILE=True)
    net = build_resnest_backbone(keys, ShapeSpec(channels=5))
    assert net.compiled and not build(DEPTH=14).compiled
    assert net.stem.conv1_1.in_channels == 5 and net.checkpoint_stages == ("res4",)


def test_detectron2s_other_norms_work():
    norm = build(DEPTH=14, NORM="naiveSyncBN").res3[0].conv2.bn0
    assert type(norm).__name__ == "NaiveSyncBatchNorm"


def test_switches_that_the_official_code_forces_are_said(caplog):
    assert build(DEPTH=14, AVD=False).res3[0].avd_layer is not None
    assert "MODEL.RESNETS.AVD is False at RADIX 2" in caplog.text
    assert build(DEPTH=14, AVD=False, RADIX=1).res3[0].avd_layer is None


@pytest.mark.parametrize("keys,words", [
    (dict(DEPTH=34), "DEPTH=34.*50"), (dict(RADIX=0), "radix=0"),
    (dict(NUM_GROUPS=0), "cardinality=0"),
    (dict(RES5_DILATION=3), "RES5_DILATION=3.*1.*2.*4"),
    (dict(RES2_OUT_CHANNELS=64), "RES2_OUT_CHANNELS=64"),
    (dict(OUT_FEATURES=["res3", "res7"]), "res7.*res5"), (dict(DILATED_FORM="x"), "official"),
    (dict(CHECKPOINT_STAGES=["res9"]), "res9"),
    (dict(DEFORM_ON_PER_STAGE=[True, True, True]), "DEFORM_ON_PER_STAGE.* each of the 4 stages"),
    (dict(WIDTH_PER_GROUP=32, BOTTLENECK_WIDTH=3), "WIDTH_PER_GROUP=32 and BOTTLENECK_WIDTH=3"),
    (dict(STEM_OUT_CHANNELS=128), "STEM_OUT_CHANNELS=128.* 64.* STEM_WIDTH"),
    (dict(AVD="no"), "MODEL.RESNETS.AVD='no'"),
    (dict(NORM="bn"), "MODEL.RESNETS.NORM='bn'.*Known: BN,"),
    (dict(RADIX=3), "MODEL.RESNETS.*radix=3"),
])
def test_a_wrong_value_is_named_with_what_is_allowed(keys, words):
    with pytest.raises(ResNeStError, match=words):
        build(**{"DEPTH": 14, **keys})
