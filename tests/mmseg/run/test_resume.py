"""Runs of MMSegmentation that are killed or diverge, and what goes on from them."""

import shutil
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
    options = ("accumulate=2",)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "seal", kill_at_call(2, checkpoints.seal))
        assert run_in_child(lambda: train_in(killed, config, unset, *options)) == -signal.SIGKILL
    assert {path.name for path in killed.glob("*.pth*")} == {"iter_2.pth", "iter_4.pth.part"}
    end = train_in(killed, config, unset, "--resume", "train_dataloader.num_workers=1", *options)
    seed = end["meta"]["seed"]
    assert seed == torch.load(killed / "iter_2.pth", weights_only=False)["meta"]["seed"]
    whole = train_in(tmp_path / "whole", config, f"randomness.seed={seed}", *options)
    assert same(parts(end), parts(whole))
    (killed / "iter_5.pth").write_bytes((killed / "iter_5.pth").read_bytes()[:-9])
    assert same(parts(train_in(killed, config, "--resume", *options)), parts(whole))
    assert not list(killed.glob("*.part")) and not (killed / "training.lock").exists()


def test_images_that_turn_bad_give_their_places_to_others(config, folders, tmp_path, monkeypatch):
    shutil.copytree(folders[0], tmp_path / "val")
    stock, val = checkpoints.seal, f"val_dataloader.dataset.images={tmp_path / 'val'}"

    def spoil(*args):
        for number in (1, 4):
            path = folders[0] / f"{number}.png"
            path.write_bytes(path.read_bytes()[:100])
        return stock(*args)

    good = {path: path.read_bytes() for path in folders[0].iterdir()}
    monkeypatch.setattr(checkpoints, "seal", spoil)
    whole = train_in(tmp_path / "whole", config, val, iterations=8)
    [log] = (tmp_path / "whole").glob("*/*.log")
    assert "1.png" in log.read_text() and "2 of 10 such faults that faults_allowed" in \
        log.read_text()
    for path, content in good.items():
        path.write_bytes(content)
    train_in(tmp_path / "killed", config, val, iterations=4)
    monkeypatch.setattr(checkpoints, "seal", stock)
    end = train_in(tmp_path / "killed", config, "--resume", "train_dataloader.num_workers=1",
                   val, iterations=8)
    assert same(parts(end), parts(whole))
    with pytest.raises(ResNeStError, match="faults_allowed is 1: .*[14].png"):
        for path, content in good.items():
            path.write_bytes(content)
        monkeypatch.setattr(checkpoints, "seal", spoil)
        train_in(tmp_path / "other", config, val, "faults_allowed=1", iterations=8)


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
