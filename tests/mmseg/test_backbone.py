"""The backbone in OpenMMLab's terms."""

import copy
import functools

import mmengine
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from one_block import EACH_FORM, use_one_block
from peers import official_network

import resnest_dense.mmseg  # noqa: F401
from resnest_dense import ResNeStError, ResNeStValueError
from resnest_dense.configs import find_config
from resnest_dense.nn.norm import FrozenBatchNorm2d
from resnest_dense.nn.sync_norm import SyncBatchNorm

IMAGE = (2, 3, 33, 49)


def build(**options):
    options = {"architecture": "resnest14", **options}
    return mmengine.registry.MODELS.build(dict(type="resnest_dense.ResNeSt", **options))


@pytest.mark.parametrize("scope", ["mmengine", "mmseg", "mmdet"])
def test_it_is_built_under_any_default_scope(scope):
    with DefaultScope.overwrite_default_scope(scope):
        assert type(build()).__module__ == "resnest_dense.mmseg.backbone"


def test_the_built_in_resnest_stays_what_it_is():
    from mmseg.models.backbones import ResNeSt
    from mmseg.registry import MODELS

    assert MODELS.get("ResNeSt") is ResNeSt
    assert MODELS.get("resnest_dense.ResNeSt") is not ResNeSt


def test_it_returns_a_tuple_in_the_order_of_out_indices():
    features = build(out_indices=(1, 3), output_stride=8)(torch.randn(IMAGE))
    assert [f.shape[1:] for f in features] == [(512, 5, 7), (2048, 5, 7)]


@functools.cache
def read_model(config):
    return Config.fromfile(find_config(config, "mmseg")).model


@pytest.mark.parametrize("name", EACH_FORM)
def test_a_segmentor_of_a_network_before_resnest_takes_a_training_step(name, monkeypatch):
    use_one_block(monkeypatch, name)
    model_config = copy.deepcopy(read_model("resnest50_fcn_ade20k"))
    model_config.backbone.update(architecture=name, init_cfg=None)
    with DefaultScope.overwrite_default_scope("mmseg"):
        model = mmengine.registry.MODELS.build(model_config)
    sample = SegDataSample(metainfo=dict(img_shape=(64, 96)))
    sample.gt_sem_seg = PixelData(data=torch.randint(0, 150, (1, 64, 96)))
    images = torch.randn(2, 3, 64, 96)
    losses = model.loss(images, [sample, sample])
    model.parse_losses(losses)[0].backward()
    assert all(p.grad is not None for p in model.backbone.res5.parameters())


@pytest.mark.parametrize("frozen", range(-1, 5))
def test_frozen_stages_count_as_in_mmsegmentation(frozen):
    net = build(frozen_stages=frozen)
    parts = (net.stem, net.res2, net.res3, net.res4, net.res5)
    learns = [any(p.requires_grad for p in part.parameters()) for part in parts]
    assert learns == [i > frozen for i in range(5)]
    assert all(isinstance(m, FrozenBatchNorm2d) for part in parts[:frozen + 1]
               for name, m in part.named_modules() if name.endswith("norm"))


def test_norm_eval_survives_train():
    net = build(norm_eval=True).train()
    before = net.stem.conv1_1.norm.running_mean.clone()
    net(torch.randn(IMAGE))
    assert net.res2.training and torch.equal(net.stem.conv1_1.norm.running_mean, before)


def test_norm_cfg_reaches_every_norm():
    net = build(norm_cfg=dict(type="SyncBN", requires_grad=False, eps=1e-3, momentum=0.2))
    norms = [m for m in net.modules() if isinstance(m, SyncBatchNorm)]
    assert len(norms) == sum("running_mean" in key for key in net.state_dict())
    assert {(m.eps, m.momentum, m.weight.requires_grad) for m in norms} == {(1e-3, 0.2, False)}


def test_group_norm_leaves_the_attention_something_to_attend_to():
    net = build(norm_cfg=dict(type="GN", num_groups=32))
    assert net.res2[0].conv2.bn1.num_groups == 1 and net.res2[0].conv1.norm.num_groups == 32


def test_recomputed_activations_give_the_same_gradients():
    torch.manual_seed(0)
    plain, recomputed = build(), build(with_cp=True)
    recomputed.load_state_dict(plain.state_dict())
    x = torch.randn(IMAGE)
    for net in (plain, recomputed):
        sum(f.square().mean() for f in net(x)).backward()
    torch.testing.assert_close(recomputed.stem.conv1_1.weight.grad,
                               plain.stem.conv1_1.weight.grad)


def test_compiling_arrives():
    assert build(compile=True).compiled and not build().compiled


@pytest.mark.parametrize("options,said", [
    (dict(architecture="resnest5O"), "resnest50"),
    (dict(out_indices=(0, 4)), "0, 1, 2, 3"),
    (dict(frozen_stages=7), "-1 to 4"),
    (dict(output_stride=4), "8, 16 or 32"),
    (dict(dilated_form="oficial"), "official"),
    (dict(norm_cfg=dict(type="SyncBn")), "SyncBN"),
    (dict(norm_cfg=dict(type="BN", epsilon=1)), "eps"),
    (dict(norm_cfg=dict(type="GN", num_groups=16)), "takes no options"),
    (dict(norm_cfg="BN"), "norm_cfg='BN': give dict"),
    (dict(norm_cfg=dict(type="BN", eps="1e-5")), "eps='1e-5'"),
    (dict(norm_cfg=dict(type="BN", requires_grad="False")), "requires_grad.*True or False"),
    (dict(out_indices=(0, 0)), "each once"), (dict(out_indices=3), "out_indices=3"),
    (dict(frozen_stages=True), "frozen_stages=True"),
    (dict(with_cp="False"), "with_cp='False'"), (dict(norm_eval="no"), "norm_eval='no'"),
    (dict(init_cfg="resnest14"), "init_cfg='resnest14'"),
    (dict(init_cfg=dict(type="Pretrained")), "checkpoint="), (dict(pretrained=5), "pretrained=5"),
])
def test_a_wrong_value_is_refused_with_the_right_ones(options, said):
    with pytest.raises(ResNeStValueError, match=said):
        build(**options)


def test_an_unknown_keyword_is_a_type_error():
    with pytest.raises(TypeError, match="depth"):
        build(depth=50)


def test_init_cfg_loads_a_file_in_any_layout(tmp_path):
    official = official_network("resnest14")
    torch.save(official.state_dict(), tmp_path / "a.pth")
    for options in (dict(pretrained=str(tmp_path / "a.pth")),
                    dict(init_cfg=dict(type="Pretrained", checkpoint=str(tmp_path / "a.pth")))):
        net = build(frozen_stages=1, **options)
        net.init_weights()
        assert torch.equal(net.res5[0].conv2.fc1.weight, official.layer4[0].conv2.fc1.weight)
        assert torch.equal(net.stem.conv1_1.norm.running_var, official.conv1[1].running_var)


@pytest.mark.parametrize("nothing", [None, {}, []], ids=str)
def test_init_cfg_may_name_nothing(nothing):
    net = build(architecture="resnest14", init_cfg=nothing)
    before = net.stem.conv1_1.weight.clone()
    net.init_weights()
    assert net.stem.conv1_1.weight.equal(before)


def test_init_cfg_refuses_the_file_of_another_network(tmp_path):
    torch.save(official_network("resnest26").state_dict(), tmp_path / "a.pth")
    with pytest.raises(ResNeStError, match="a.pth does not fit"):
        build(pretrained=str(tmp_path / "a.pth")).init_weights()
