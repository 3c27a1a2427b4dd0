"""The official YAML files, unchanged: the settings and the models that they give here."""

import copy
import json
import sys

import pytest
import torch
import yaml
from d2_recipes import PUBLISHED
from detectron2.config import CfgNode
from detectron2.config import get_cfg as get_stock_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, build_model
from detectron2.modeling.meta_arch.semantic_seg import SemSegFPNHead
from official_yaml import ADDRESS, FILES, RESNESTS, write_official
from peers import official_wrapper, plain_for_deformable

from resnest_dense import ResNeStError
from resnest_dense.configs import find_config
from resnest_dense.d2 import BiaslessSemSegFPNHead, ResNeStBackbone, get_cfg
from resnest_dense.d2.train import make_parser, read_config
from resnest_dense.nn import ResNeSt
from resnest_dense.weights import catalog

PANOPTIC = "resnest200_panoptic_fpn_tricks_3x"


def read(path, cfg=None):
    cfg = cfg or get_cfg()
    cfg.merge_from_file(str(path))
    return cfg


def build(cfg):
    cfg.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        return build_model(cfg)


def shapes(model):
    return {name: value.shape for name, value in model.state_dict().items()}


def build_officially(path, monkeypatch):
    """The model of detectron2 with the official wrapper in it."""
    plain_for_deformable(monkeypatch)
    cfg = get_stock_cfg()
    sys.modules["resnest.d2"].add_resnest_config(cfg)
    monkeypatch.setitem(BACKBONE_REGISTRY._obj_map, "build_resnest_fpn_backbone",
                        official_wrapper().build_resnest_fpn_backbone)
    model = build(read(path, cfg))
    monkeypatch.undo()
    return model


def test_the_files_are_those_of_the_published_experiments():
    assert set(FILES) == set(PUBLISHED)


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_what_our_config_of_the_same_experiment_does(name, tmp_path):
    official, ours = read(write_official(tmp_path, name)), read(find_config(name, "detectron2"))
    assert official.MODEL.pop("WEIGHTS") == FILES[name]["MODEL"]["WEIGHTS"]
    del ours.MODEL["WEIGHTS"]  # The same network's, at another address.
    if not ours.MODEL.MASK_ON:  # Unused then.
        del official.MODEL["ROI_MASK_HEAD"], ours.MODEL["ROI_MASK_HEAD"]
    assert json.dumps(official) == json.dumps(ours)


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_the_model_of_the_official_wrapper(name, tmp_path, monkeypatch):
    path = write_official(tmp_path, name)
    official = shapes(build_officially(path, monkeypatch))
    if name == PANOPTIC:
        # The published checkpoint has neither norm nor bias there (docs/recipes.md 2.7).
        official = {k: v for k, v in official.items()
                    if not (k.startswith("sem_seg_head.p") and ".norm." in k)}
        assert not any(k.startswith("sem_seg_head.p2") and "bias" in k for k in official)
    ours = build(read(path))
    assert shapes(ours) == official
    assert any(isinstance(m, ResNeSt) for m in ours.modules()) == name.startswith("resnest")


@pytest.mark.parametrize("name", ["resnet50_mask_rcnn", "resnet101_faster_rcnn"])
def test_baselines_have_the_stride_of_their_weights(name, tmp_path):
    block = build(read(write_official(tmp_path, name))).backbone.bottom_up.res3[0]
    assert block.conv1.stride == (2, 2) and block.conv2.stride == (1, 1)


@pytest.mark.parametrize("name", ["resnest50_mask_rcnn", "resnest50_dcn_faster_rcnn", PANOPTIC])
def test_files_of_the_fork_give_the_same_model(name, tmp_path, caplog):
    cfg = read(write_official(tmp_path, name, fork=True))
    assert "MODEL.BACKBONE.NAME is read as build_resnest_fpn_backbone" in caplog.text
    assert shapes(build(cfg)) == shapes(build(read(find_config(name, "detectron2"))))


@pytest.mark.parametrize("depth,file", RESNESTS.items())
def test_the_weights_that_the_files_name_are_looked_for_elsewhere_too(depth, file):
    """Their only published address is dead (docs/recipes.md 1.3)."""
    entry = catalog.find(file)
    assert entry.architecture == f"resnest{depth}" and entry.superseded_by is None
    assert ADDRESS + file in entry.addresses and len(entry.addresses) > 1


def test_train_net_takes_a_file(tmp_path, own_data):
    path = write_official(tmp_path, "resnest50_mask_rcnn")
    cfg = read_config(make_parser().parse_args(["--config-file", str(path), *own_data]))
    assert cfg.MODEL.BACKBONE.NAME == "build_resnest_fpn_backbone" and cfg.is_frozen()
    assert cfg.MODEL.ROI_HEADS.NUM_CLASSES == 5


def test_baselines_of_the_fork_stay_plain(tmp_path):
    cfg = read(write_official(tmp_path, "resnet50_mask_rcnn", fork=True))
    assert cfg.MODEL.BACKBONE.NAME == "build_resnet_fpn_backbone"


def test_a_config_that_the_fork_saved(tmp_path):
    """It holds every key: those that radix 2 forces on are False in it."""
    saved = get_stock_cfg()
    saved.merge_from_file(str(write_official(tmp_path, "resnet50_faster_rcnn", fork=True)))
    saved.MODEL.RESNETS.update(DEPTH=50, STRIDE_IN_1X1=False, RADIX=2, DEEP_STEM=False, AVD=False,
                               AVG_DOWN=False, BOTTLENECK_WIDTH=64)
    (tmp_path / "config.yaml").write_text(saved.dump())
    bottom_up = build(read(tmp_path / "config.yaml")).backbone.bottom_up
    assert isinstance(bottom_up, ResNeStBackbone) and bottom_up.res3[0].avd_layer is not None


@pytest.mark.parametrize("name", ["resnet50_faster_rcnn", "resnest14_faster_rcnn", PANOPTIC])
def test_a_saved_config_is_read_as_what_it_was(name, tmp_path):
    cfg = read(find_config(name, "detectron2"))
    (tmp_path / "config.yaml").write_text(cfg.dump())
    assert json.dumps(read(tmp_path / "config.yaml")) == json.dumps(cfg)


def panoptic_file(folder, **keys):
    path = write_official(folder, PANOPTIC)
    content = yaml.safe_load(path.read_text())
    content["MODEL"].update(keys)
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("keys", [
    dict(SEM_SEG_HEAD={"NAME": "SemSegFPNHead", "NORM": "SyncBN"}),
    dict(WEIGHTS="my_own.pth"),
])
def test_a_users_own_panoptic_file_keeps_the_norm_that_it_states(keys, tmp_path):
    cfg = read(panoptic_file(tmp_path, **keys))
    assert cfg.MODEL.SEM_SEG_HEAD.NAME == "SemSegFPNHead"
    assert "sem_seg_head.p2.0.norm.weight" in shapes(build(cfg))


def test_overrides_win_over_what_a_file_is_read_as(tmp_path, caplog):
    cfg = read(write_official(tmp_path, PANOPTIC))
    assert "Override it (MODEL.SEM_SEG_HEAD.NORM SyncBN)" in caplog.text
    assert cfg.MODEL.SEM_SEG_HEAD.NAME == "BiaslessSemSegFPNHead"
    cfg.merge_from_list(["MODEL.SEM_SEG_HEAD.NORM", "SyncBN"])
    assert "sem_seg_head.p2.0.norm.weight" in shapes(build(cfg))


def test_the_head_without_bias_computes_what_detectron2s_does_with_a_bias_of_zero():
    cfg = read(find_config(PANOPTIC, "detectron2"))
    levels = {f"p{i}": ShapeSpec(channels=8, stride=2**i) for i in (2, 3, 4, 5)}
    ours, stock = BiaslessSemSegFPNHead(cfg, levels), SemSegFPNHead(cfg, levels)
    keys = stock.load_state_dict(ours.state_dict(), strict=False)
    assert not keys.unexpected_keys and all(k.endswith("bias") for k in keys.missing_keys)
    features = {k: torch.randn(1, 8, 64 // v.stride, 64 // v.stride) for k, v in levels.items()}
    torch.testing.assert_close(ours.eval()(features)[0], stock.eval()(features)[0])


def test_the_config_is_detectron2s_own_in_every_other_way(tmp_path):
    cfg = get_cfg()
    cfg.MODEL.OTHER_PROJECT = CfgNode({"KEY": 1})
    (tmp_path / "own.yaml").write_text("MODEL: {OTHER_PROJECT: {KEY: 2}, DEVICE: cpu}\nSEED: 3\n")
    clone = read(tmp_path / "own.yaml", copy.deepcopy(cfg))
    assert (clone.MODEL.OTHER_PROJECT.KEY, clone.MODEL.DEVICE, clone.SEED) == (2, "cpu", 3)
    assert cfg.MODEL.OTHER_PROJECT.KEY == 1
    with pytest.raises(KeyError, match="NO_SUCH"):
        clone.merge_from_other_cfg(CfgNode({"NO_SUCH": 1}))
    with pytest.raises(ResNeStError, match="lazyconfig_train_net"):
        cfg.merge_from_file(find_config("resnest50_fcn_ade20k", "mmseg"))


def test_an_old_config_is_upgraded(tmp_path):
    (tmp_path / "old.yaml").write_text("MODEL: {WEIGHT: old.pth}\nVERSION: 1\n")
    assert read(tmp_path / "old.yaml").MODEL.WEIGHTS == "old.pth"
