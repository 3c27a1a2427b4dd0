"""Every shipped config: its settings against docs/recipes.md's table, and one step of training."""

import copy
import functools

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from resnest_dense import create_backbone
from resnest_dense.configs import find_config, list_configs

CONFIGS = [name.removesuffix(".py") for name in list_configs("mmseg") if "/" not in name]
# Networks before ResNeSt in the recipe of its rows; beside them the paper's own baselines.
FAMILY = ("resnet50d", "resnext50_32x4d", "seresnet50", "sknet50")
CLASSES = {"ade20k": 150, "cityscapes": 19, "pascal_context": 59}
# docs/recipes.md 4.3: what the paper (GluonCV) and, on Pascal Context, PyTorch-Encoding trained
PAPER = {
    "ade20k": dict(iterations=151560, lr=0.01, crop=(480, 480), long=(520, 520), aux=0.5,
                   blur=[0.5]),
    "cityscapes": dict(iterations=44400, lr=0.01, crop=(768, 768), long=(2048, 2048), aux=0.5,
                       blur=[0.5]),
    "pascal_context": dict(iterations=24960, lr=0.001, crop=(480, 480), long=(520, 520), aux=0.2,
                           blur=[]),
}
# docs/recipes.md 4.5: PyTorch-Encoding's FCN, 180 epochs on ADE20K by its command's defaults
ENCODING = {
    "ade20k": dict(PAPER["ade20k"], iterations=227340, lr=0.004, aux=0.2, blur=[]),
    "pascal_context": PAPER["pascal_context"],
}
# docs/recipes.md 4.7; on Pascal Context MMSegmentation's own for ResNet-101
MMSEG = {
    "ade20k": dict(iterations=160000, crop=(512, 512), batch=4, lr=0.01, decay=5e-4),
    "cityscapes": dict(iterations=80000, crop=(512, 1024), batch=2, lr=0.01, decay=5e-4),
    "pascal_context": dict(iterations=80000, crop=(480, 480), batch=4, lr=0.004, decay=1e-4),
}


@functools.cache
def load(name):
    return Config.fromfile(find_config(name, "mmseg"))


def split(name):
    """Network, method, data set, and whose recipe: "paper", "encoding" or "mmseg"."""
    network = next((net for net in FAMILY if name.startswith(net)), name.split("_")[0])
    method, dataset = name.removeprefix(f"{network}_").split("_", 1)
    given, _, rest = dataset.partition("_")
    if given in ("mmseg", "official"):
        return network, method, rest, {"mmseg": "mmseg", "official": "encoding"}[given]
    if method == "fcn" and dataset == "pascal_context":
        return network, method, dataset, "encoding"
    return network, method, dataset, "paper" if method == "deeplabv3" else "mmseg"


def by(*recipes):
    return [name for name in CONFIGS if split(name)[3] in recipes]


def step(pipeline, kind):
    [found] = [s for s in pipeline if s["type"] == kind]
    return found


@pytest.mark.parametrize("name", by("paper", "encoding"))
def test_the_official_training(name):
    _, _, dataset, recipe = split(name)
    cfg, row = load(name), (PAPER if recipe == "paper" else ENCODING)[dataset]
    pipeline = cfg.train_dataloader.dataset.pipeline
    backbone, head, aux = cfg.model.backbone, cfg.model.decode_head, cfg.model.auxiliary_head
    [policy] = cfg.param_scheduler
    assert (cfg.optim_wrapper.optimizer, cfg.optim_wrapper.paramwise_cfg.custom_keys) == (
        dict(type="SGD", lr=row["lr"], momentum=0.9, weight_decay=1e-4),
        {"decode_head": dict(lr_mult=10), "auxiliary_head": dict(lr_mult=10)})
    assert cfg.train_cfg.max_iters == row["iterations"] == policy.end
    assert (policy.type, policy.power, policy.eta_min, policy.by_epoch) == (
        "PolyLR", 0.9, 0.0, False)
    assert cfg.train_dataloader.batch_size * 8 == 16
    assert [(h.loss_decode.loss_weight, h.loss_decode.avg_non_ignore) for h in (head, aux)] == [
        (1.0, True), (row["aux"], True)]
    assert {part.norm_cfg.type for part in (backbone, head, aux)} == {"SyncBN"}
    assert step(pipeline, "RandomResize") == dict(
        type="RandomResize", scale=row["long"], ratio_range=(0.5, 2.0), keep_ratio=True)
    assert step(pipeline, "RandomCrop") == dict(type="RandomCrop", crop_size=row["crop"])
    assert step(pipeline, "Pad").size == row["crop"] == cfg.model.data_preprocessor.size
    assert [s.prob for s in pipeline if s.type.endswith("GaussianBlur")] == row["blur"]
    assert step(pipeline, "RandomFlip").prob == 0.5
    assert not [s for s in pipeline if s.type == "PhotoMetricDistortion"]


@pytest.mark.parametrize("name", by("paper", "encoding"))
def test_the_official_network(name):
    network, _, dataset, recipe = split(name)
    model = load(name).model
    backbone, head, aux = model.backbone, model.decode_head, model.auxiliary_head
    assert (model.pretrained, head.align_corners, aux.align_corners) == (None, True, True)
    assert head.num_classes == aux.num_classes == CLASSES[dataset]
    if recipe == "paper":
        assert (head.type, head.channels, head.dilations) == (
            "resnest_dense.DeepLabV3Head", 256, (12, 24, 36))
    else:
        assert (head.type, head.channels, head.num_convs, head.concat_input, head.in_index) == (
            "FCNHead", 512, 1, False, 3)
    assert (aux.type, aux.channels, aux.num_convs, aux.concat_input, aux.in_index) == (
        "FCNHead", 256, 1, False, 2)
    if network in FAMILY or network.startswith("resnest"):
        assert (backbone.type, backbone.architecture, backbone.output_stride, backbone.dilated_form,
                backbone.init_cfg.checkpoint) == (
            "resnest_dense.ResNeSt", network, 8, "official", network)
    else:
        assert (backbone.type, f"resnet{backbone.depth}", backbone.strides, backbone.dilations,
                backbone.contract_dilation) == (
            "ResNetV1c", network, (1, 2, 1, 1), (1, 1, 2, 4), True)


@pytest.mark.parametrize("dataset,base,crop,scales", [
    ("ade20k", 520, 480, (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)),
    ("pascal_context", 520, 480, (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)),
    ("cityscapes", 2048, 768, (0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25))])
def test_the_published_test_protocol(dataset, base, crop, scales):
    cfg = load(f"resnest269_deeplabv3_{dataset}")
    assert cfg.tta_model == dict(type="resnest_dense.PublishedProtocol", base_size=base,
                                 crop_size=crop, scales=scales)
    assert not [s for s in cfg.tta_pipeline if s.type in ("Resize", "Pad")]


@pytest.mark.parametrize("name", by("mmseg"))
def test_mmsegmentation_s_recipe(name):
    network, method, dataset, _ = split(name)
    cfg, row = load(name), MMSEG[dataset]
    [policy] = cfg.param_scheduler
    backbone, head = cfg.model.backbone, cfg.model.decode_head
    assert cfg.optim_wrapper.optimizer == dict(type="SGD", lr=row["lr"], momentum=0.9,
                                               weight_decay=row["decay"])
    assert (policy.power, policy.eta_min, policy.end, cfg.train_cfg.max_iters) == (
        0.9, 1e-4, row["iterations"], row["iterations"])
    assert (head.num_classes, head.channels, cfg.model.auxiliary_head.loss_decode.loss_weight) == (
        CLASSES[dataset], 512, 0.4)
    assert (cfg.train_dataloader.batch_size, cfg.model.data_preprocessor.size) == (
        row["batch"], row["crop"])
    assert step(cfg.train_dataloader.dataset.pipeline, "RandomCrop").cat_max_ratio == 0.75
    assert (backbone.architecture, backbone.norm_cfg.type, cfg.model.pretrained) == (
        network, "SyncBN", None)
    assert backbone.init_cfg.checkpoint == f"open-mmlab://{network}"
    if method != "upernet":
        assert (backbone.output_stride, backbone.dilated_form) == (8, "mmseg")


def test_the_published_networks_are_shipped():
    assert {f"{net}_deeplabv3_{data}" for net in ("resnest50", "resnest101", "resnest200",
                                                  "resnest269", "resnet50", "resnet101")
            for data in CLASSES} <= set(by("paper"))
    assert {f"{net}_{method}_{data}" for net in ("resnest50", "resnest101")
            for data in ("ade20k", "cityscapes")
            for method in ("fcn", "pspnet", "deeplabv3plus", "upernet")} <= set(by("mmseg"))
    assert {"resnest50_fcn_official_ade20k", "resnest50_fcn_pascal_context"} <= set(by("encoding"))


PURE = """
globals().update(__import__("resnest_dense.mmseg").mmseg.shipped_config(
    {name!r}))

model.decode_head.update(num_classes=7)
"""


@pytest.mark.parametrize("name", [
    "resnest50_deeplabv3_cityscapes", "resnest50_fcn_ade20k", "resnest50_fcn_official_ade20k",
    "resnest269_deeplabv3_pascal_context", "resnet50_deeplabv3_ade20k"])
def test_a_pure_python_config_inherits_any_shipped_one(name, tmp_path):
    own, further = tmp_path / "own.py", tmp_path / "further.py"
    # mmengine takes a config that imports what is not of Python for one in pure Python.
    own.write_text("from mmseg.models import EncoderDecoder\n" + PURE.format(name=name))
    further.write_text("from mmengine.config import read_base\n\nwith read_base():\n"
                       "    from .own import *\n\nmodel.decode_head.update(num_classes=8)\n")
    expected = load(name).to_dict()
    for path, classes in ((own, 7), (further, 8)):
        expected["model"]["decode_head"]["num_classes"] = classes
        assert Config.fromfile(path).to_dict() == expected


def test_the_same_lines_serve_a_text_config(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(PURE.format(name="resnest50_fcn_ade20k"))
    cfg = Config.fromfile(own)
    assert cfg.model.decode_head.num_classes == 7
    cfg.model.decode_head.num_classes = load("resnest50_fcn_ade20k").model.decode_head.num_classes
    assert cfg.to_dict() == load("resnest50_fcn_ade20k").to_dict()


def learners():
    """The config of a small network for each method, data set and recipe."""
    found = {}
    for name in sorted(CONFIGS, key=lambda name: not name.startswith("resnest14_")):
        found.setdefault((split(name)[1:], load(name).model.backbone.type), name)
    return sorted(found.values())


def settings(name):
    """A copy of a shipped config, and the number of its classes."""
    init_default_scope("mmseg")
    return copy.deepcopy(load(name)), CLASSES[split(name)[2]]


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_built_by_mmsegmentation(name):
    cfg, classes = settings(name)
    with torch.device("meta"):
        state = MODELS.build(cfg.model).state_dict()
        if "architecture" in cfg.model.backbone:
            network = create_backbone(cfg.model.backbone.architecture).state_dict()
            assert {k: v.shape for k, v in network.items()} == {
                k.removeprefix("backbone."): v.shape for k, v in state.items()
                if k.startswith("backbone.")}
    assert state["decode_head.conv_seg.weight"].shape[0] == classes


@pytest.mark.parametrize("name", learners())
def test_it_learns(name):
    cfg, classes = settings(name)
    cfg.model.backbone.init_cfg = None
    if "architecture" in cfg.model.backbone:
        cfg.model.backbone.architecture = "resnest14"  # of the same widths
    cfg.model.data_preprocessor.size = (32, 32)
    model = revert_sync_batchnorm(MODELS.build(cfg.model)).train()
    del cfg.optim_wrapper.optimizer["weight_decay"]
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    labels = [SegDataSample(metainfo=dict(img_shape=(32, 32)), gt_sem_seg=PixelData(
        data=torch.randint(0, classes, (1, 32, 32)))) for _ in range(2)]
    images = [torch.randint(0, 255, (3, 32, 32), dtype=torch.uint8) for _ in range(2)]
    before = model.decode_head.conv_seg.weight.clone()
    losses = model.train_step(dict(inputs=images, data_samples=labels), wrapper)
    assert torch.isfinite(losses["loss"])
    assert not torch.equal(before, model.decode_head.conv_seg.weight)
