"""The training and test tools, on the tiny data set."""

import os
import runpy
import signal
import sys

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from PIL import Image
from run_tool import TOOLS

from resnest_dense import ResNeStError
from resnest_dense.mmseg.run import evaluate, train


def train_with(config, work_dir, *arguments, iterations=2):
    options = [f"train_cfg.max_iters={iterations}", *(a for a in arguments if "=" in a)]
    flags = [a for a in arguments if "=" not in a]
    train.run(train.make_parser().parse_args(
        [str(config), "--work-dir", str(work_dir), *flags, "--cfg-options", *options]))
    return work_dir / f"iter_{iterations}.pth"


def evaluate_with(config, checkpoint, work_dir, *arguments):
    before = open_logs()
    metrics = evaluate.run(evaluate.make_parser().parse_args(
        [str(config), str(checkpoint), "--work-dir", str(work_dir), *map(str, arguments)]))
    assert open_logs() == before  # the process may go on
    return metrics


def open_logs():
    places = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return sorted(os.readlink(place) for place in places
                  if os.path.exists(place) and os.readlink(place).endswith(".log"))


def assert_equal(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        [assert_equal(one[key], other[key]) for key in one]
    elif isinstance(one, (list, tuple)):
        [assert_equal(a, b) for a, b in zip(one, other, strict=True)]
    else:
        assert one == other


@HOOKS.register_module()
class CtrlC(Hook):
    """Interrupts the process in its second iteration."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx == 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_run_resumes_as_if_it_was_never_stopped(config, tmp_path):
    whole = torch.load(train_with(config, tmp_path / "whole", iterations=4), weights_only=False)
    text = config.read_text()
    config.write_text(text + 'custom_hooks = _base_.custom_hooks + [dict(type="CtrlC")]\n')
    with pytest.raises(KeyboardInterrupt):
        train_with(config, tmp_path / "parts", iterations=4)
    assert (tmp_path / "parts" / "iter_2.pth").is_file()
    config.write_text(text)
    # What a run starts from is no place to resume it from.
    parts = torch.load(train_with(config, tmp_path / "parts", "--resume",
                                  f"load_from={tmp_path / 'whole' / 'iter_4.pth'}", iterations=4),
                       weights_only=False)
    for part in ("state_dict", "optimizer", "param_schedulers"):
        assert_equal(whole[part], parts[part])


@pytest.mark.parametrize("tool", ["mmseg_train.py", "mmseg_test.py"])
def test_what_the_user_can_mend_is_one_line(tool, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [tool, "nowhere.py", *["no.pth"] * (tool == "mmseg_test.py")])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(TOOLS / tool), run_name="__main__")
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.startswith(f"{tool}: No c") and said.count("\n") == 1


def test_a_trained_model_is_tested_in_every_way(config, tmp_path):
    checkpoint = train_with(config, tmp_path / "run")
    # Two iterations leave a network that may name one class everywhere, however it is asked.
    content = torch.load(checkpoint, weights_only=False)
    content["state_dict"]["decode_head.conv_seg.weight"].normal_()
    torch.save(content, checkpoint)
    plain = evaluate_with(config, checkpoint, tmp_path / "a", "--out", tmp_path / "out",
                          "--show-dir", tmp_path / "show")
    assert 0 < plain["pixAcc"] < 100 and set(plain) == {"pixAcc", "mAcc", "mIoU"}
    labels = sorted((tmp_path / "out").glob("*.png"))
    assert len(labels) == 6 and np.asarray(Image.open(labels[0])).shape == (40, 48)
    assert len(list((tmp_path / "show").rglob("*.png"))) == 6
    for kind in ("mmseg", "published"):
        assert evaluate_with(config, checkpoint, tmp_path / "b", "--tta", kind) != plain


def test_a_checkpoint_with_other_classes_starts_training_but_is_not_tested(config, tmp_path):
    checkpoint = train_with(config, tmp_path / "three")
    text = config.read_text().replace("num_classes=3", "num_classes=4")
    config.write_text(text.replace('"middle", "light")', '"middle", "light", "none")'))
    tuned = torch.load(train_with(config, tmp_path / "four", f"load_from={checkpoint}"),
                       weights_only=False)
    assert tuned["state_dict"]["decode_head.conv_seg.weight"].shape[0] == 4
    with pytest.raises(ResNeStError,
                       match="another number of classes.*decode_head.conv_seg.weight"):
        evaluate_with(config, checkpoint, tmp_path / "tested")
