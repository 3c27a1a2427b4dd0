"""Settings by name: they reach every place of every shipped config, and what runs."""

import pytest
import torch
from bad_input import assert_one_line, load_tool
from torch.nn import functional

from resnest_dense.configs import list_configs
from resnest_dense.mmseg.config import load_config
from resnest_dense.mmseg.parts.losses import WeightedCrossEntropyLoss
from resnest_dense.mmseg.run.named import use_named

SETTINGS = dict(batch_size=3, crop_size=(96, 64), flip_prob=0.25, distortion=False, scale=(130, 70),
                scale_range=[0.9, 1.1], test_scale=120, workers=0, iterations=100, accumulate=4)


@pytest.mark.parametrize("name", [name for name in list_configs("mmseg") if name.startswith((
    "resnest101_fcn", "resnest14", "resnest50_upernet", "resnest50_fcn_official"))])
def test_names_reach_every_place(name):
    cfg = load_config(name)
    use_named(cfg, SETTINGS)
    train, tests = cfg.train_dataloader, (cfg.val_dataloader, cfg.test_dataloader)
    steps = {step["type"]: step for step in train.dataset.pipeline}
    assert (train.batch_size, cfg.model.data_preprocessor.size) == (3, (96, 64))
    assert cfg.accumulate == 4  # which the runner reads
    assert (steps["RandomCrop"].crop_size, steps["RandomFlip"].prob) == ((96, 64), 0.25)
    assert not [kind for kind in steps if "Distortion" in kind or "Blur" in kind]
    assert steps.get("Pad", {}).get("size", (96, 64)) == (96, 64)
    assert (steps["RandomResize"].scale, steps["RandomResize"].ratio_range) == (
        (130, 70), (0.9, 1.1))
    assert [step["scale"] for one in tests for step in one.dataset.pipeline
            if step["type"] == "Resize"] == [(120, 120)] * 2
    assert {one.num_workers for one in (train, *tests)} == {0} == {
        int(one.persistent_workers) for one in (train, *tests)}
    assert cfg.train_cfg.max_iters == 100 == cfg.param_scheduler[-1].end
    assert 0 < cfg.train_cfg.val_interval <= 100 >= cfg.default_hooks.checkpoint.interval


def test_warm_ups_and_milestones_are_scaled_too():
    cfg = load_config("resnest50_upernet_ade20k")
    cfg.param_scheduler = [dict(type="LinearLR", begin=0, end=1500, by_epoch=False),
                           dict(type="PolyLR", begin=1500, end=160000, by_epoch=False)]
    use_named(cfg, dict(iterations=16000))
    assert [(one.begin, one.end) for one in cfg.param_scheduler] == [(0, 150), (150, 16000)]


@pytest.mark.parametrize("word,words", [
    ("crop_size=0", ("crop_size=0", "number of pixels")),
    ("scale=(1,2,3)", ("scale=",)), ("workers=-1", ("at least 0",)),
    ("batch_size=two", ("batch_size='two'", "at least 1")),
    ("crop_siz=64", ("'crop_size'",)),
])
def test_values_that_cannot_be(capsys, tmp_path, word, words):
    code = load_tool("mmseg_train")("resnest14_deeplabv3_ade20k", "--work-dir", tmp_path,
                                    "--cfg-options", word)
    assert_one_line(code, capsys, words)


def test_weighted_cross_entropy_is_torch_s():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 5, 7), torch.randint(3, (2, 5, 7))
    labels[0, :2] = 255
    weights = [0.5, 1.0, 4.0]
    loss = WeightedCrossEntropyLoss(weights, loss_weight=2.0)
    wanted = functional.cross_entropy(logits, labels, weight=torch.tensor(weights),
                                      ignore_index=255)
    torch.testing.assert_close(loss(logits, labels, ignore_index=255), 2 * wanted)
    assert loss(logits, torch.full_like(labels, 255), ignore_index=255) == 0
    assert not loss.state_dict()
