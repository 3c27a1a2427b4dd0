"""Runs of MMSegmentation that are killed or diverge, and what goes on from them."""

import signal
import time

import pytest
import torch
from children import kill_at_call, run_in_child, same

from resnest_dense import ResNeStError
from resnest_dense.mmseg.run import train
from resnest_dense.training import checkpoints


def train_in(folder, config, *arguments, iterations=5):
    options = [f"train_cfg.max_iters={iterations}", "default_hooks.checkpoint.interval=2",
               "train_cfg.val_interval=10", *(a for a in arguments if "=" in a)]
    train.run(train.make_parser().parse_args([
        str(config), "--work-dir", str(folder), *(a for a in arguments if "=" not in a),
        "--cfg-options", *options]))
    return torch.load(folder / f"iter_{iterations}.pth", weights_only=False)


def parts(content):
    return {key: content[key] for key in ("state_dict", "optimizer", "param_schedulers")}


def test_killed_in_a_checkpoint_it_ends_as_if_it_had_not_been(config, tmp_path, monkeypatch):
    killed, unset = tmp_path / "killed", "randomness.seed=None"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "seal", kill_at_call(2, checkpoints.seal))
        assert run_in_child(lambda: train_in(killed, config, unset)) == -signal.SIGKILL
    assert {path.name for path in killed.glob("*.pth*")} == {"iter_2.pth", "iter_4.pth.part"}
    end = train_in(killed, config, unset, "--resume", "train_dataloader.num_workers=1")
    seed = end["meta"]["seed"]
    assert seed == torch.load(killed / "iter_2.pth", weights_only=False)["meta"]["seed"]
    whole = train_in(tmp_path / "whole", config, f"randomness.seed={seed}")
    assert same(parts(end), parts(whole))
    (killed / "iter_5.pth").write_bytes((killed / "iter_5.pth").read_bytes()[:-9])
    assert same(parts(train_in(killed, config, "--resume")), parts(whole))
    assert not list(killed.glob("*.part")) and not (killed / "training.lock").exists()


def test_iteration_80000_is_reached_in_seconds(config, tmp_path):
    folder = tmp_path / "run"
    train_in(folder, config, iterations=1)
    content = torch.load(folder / "iter_1.pth", weights_only=False)
    content["meta"]["iter"] = 80_000
    torch.save(content, folder / "iter_80000.pth")
    (folder / "last_checkpoint").write_text("iter_80000.pth")
    start = time.perf_counter()
    train_in(folder, config, "--resume", iterations=80_001)
    assert time.perf_counter() - start < 60


def test_a_loss_that_is_no_number_leaves_the_last_checkpoint(config, tmp_path):
    folder = tmp_path / "run"
    train_in(folder, config, iterations=2)
    before = (folder / "iter_2.pth").read_bytes()
    with pytest.raises(ResNeStError, match=r"Iteration \d: the loss is not finite.*decode.loss_ce "
                       r"nan.*learning rate .*\d.png.*first output that is not finite is that of "):
        train_in(tmp_path / "other", config, f"load_from={folder / 'iter_2.pth'}",
                 "optim_wrapper.optimizer.lr=1e20")
    assert (folder / "iter_2.pth").read_bytes() == before
    assert [path.name[:11] for path in (tmp_path / "other").glob("*.pth")] == ["not_finite_"]
