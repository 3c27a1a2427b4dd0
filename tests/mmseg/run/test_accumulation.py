"""``accumulate``: parts of a batch learn what the whole batch does, in one step."""

import types

import pytest
import torch
from bad_input import assert_one_line, load_tool

from resnest_dense.mmseg.run import train

# Norms over an image alone, and nothing that is drawn in the model.
PLAIN = '''
norm = dict(type="GN", num_groups=1)
model["backbone"].update(norm_cfg=dict(type="FrozenBN"))
model["decode_head"].update(norm_cfg=norm, dropout_ratio=0, fusion_dropout=0.0)
model["auxiliary_head"].update(norm_cfg=norm, dropout_ratio=0)
optim_wrapper.update(clip_grad=dict(_delete_=True, max_norm=0.5))
'''


@pytest.fixture
def plain(config):
    config.write_text(config.read_text() + PLAIN)
    return config


def train_in(folder, config, *options, iterations=3, resume=False):
    train.run(train.make_parser().parse_args([
        str(config), "--work-dir", str(folder), *["--resume"] * resume, "--cfg-options",
        f"train_cfg.max_iters={iterations}", "train_cfg.val_interval=10",
        "default_hooks.checkpoint.interval=2", *options]))
    return torch.load(folder / f"iter_{iterations}.pth", weights_only=False)


def close(one, other):
    return all(torch.allclose(value, other[name], rtol=1e-3, atol=1e-5)
               for name, value in one.items())


def test_parts_learn_what_the_batch_does(plain, tmp_path):
    whole = train_in(tmp_path / "whole", plain, "batch_size=4")
    for parts, size in ((2, 2), (4, 1)):
        found = train_in(tmp_path / str(parts), plain, f"batch_size={size}", f"accumulate={parts}")
        assert close(whole["state_dict"], found["state_dict"])
        assert found["meta"]["iter"] == 3
        assert found["param_schedulers"] == whole["param_schedulers"]
    assert not close(whole["state_dict"], train_in(
        tmp_path / "half", plain, "batch_size=2")["state_dict"])
    [log] = (tmp_path / "4").glob("*/*.log")
    assert "for 4 images a batch" in log.read_text()
    assert "--cfg-options accumulate=16 makes steps of 16 images" in log.read_text()


def test_the_rate_is_scaled_by_the_images_of_a_step(plain, tmp_path):
    found = train_in(tmp_path / "run", plain, "batch_size=2", "accumulate=4",
                     "auto_scale_lr.enable=True", "auto_scale_lr.base_batch_size=16",
                     iterations=1)
    assert found["optimizer"]["param_groups"][0]["initial_lr"] == 0.002 * 8 / 16


def test_an_interrupt_waits_for_the_parts_of_a_step_that_mmengine_counts(plain, tmp_path):
    options = ("optim_wrapper.accumulative_counts=2",)
    whole = train_in(tmp_path / "whole", plain, *options, iterations=4)
    cfg = train.read_config(train.make_parser().parse_args([
        str(plain), "--work-dir", str(tmp_path / "run"), "--cfg-options", *options,
        "train_cfg.max_iters=4", "default_hooks.checkpoint.interval=4"]))
    with pytest.raises(KeyboardInterrupt):
        train._train(cfg, types.SimpleNamespace(name="SIGTERM"), overwrite=False)
    assert [path.name for path in (tmp_path / "run").glob("*.pth")] == ["iter_2.pth"]
    found = train_in(tmp_path / "run", plain, *options, iterations=4, resume=True)
    for name, value in whole["state_dict"].items():
        assert torch.equal(found["state_dict"][name], value), name


@pytest.mark.parametrize("words,said", [
    (("accumulate=0",), ("accumulate=0", "at least 1")),
    (("accumulate=2", "optim_wrapper.accumulative_counts=2"), ("do the same",)),
    (("optim_wrapper.accumulative_counts=3",), ("interval=", "accumulate=3 in its place")),
])
def test_what_cannot_be_is_one_line(plain, tmp_path, capsys, words, said):
    code = load_tool("mmseg_train")(plain, "--work-dir", tmp_path / "run", "--cfg-options", *words)
    assert_one_line(code, capsys, said)
