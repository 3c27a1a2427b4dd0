"""MMSegmentation's own tools, from an empty folder, with our package as a plain install has it."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from forks import as_command, run_forked
from peers import official_network

ROOT = Path(__file__).parents[2]
TOOLS = Path(find_spec("mmseg").origin).parent / ".mim" / "tools"

PURE = '''
from mmseg.models import EncoderDecoder  # makes it one in pure Python

globals().update(__import__("resnest_dense.mmseg").mmseg.shipped_config(
    "resnest14_deeplabv3_ade20k"))

'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder with the package as `pip install` lays it out, first on the path."""
    site = tmp_path / "site"
    shutil.copytree(ROOT / "resnest_dense", site / "resnest_dense",
                    ignore=shutil.ignore_patterns("configs", "__pycache__"))
    shutil.copytree(ROOT / "configs", site / "resnest_dense" / "configs")
    metadata = site / "resnest_dense-0.1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: resnest_dense\nVersion: 0.1.0\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


@pytest.fixture
def empty(installed, config, tmp_path):
    """A folder to work in; the config inherits from what is installed."""
    shipped = str(installed / "resnest_dense" / "configs")
    config.write_text(config.read_text().replace(str(ROOT / "configs"), shipped))
    folder = tmp_path / "empty"
    folder.mkdir()
    yield folder
    assert os.listdir(folder) == []


def test_train_resume_and_test(config, empty, tmp_path):
    failures = run_forked({
        "train": as_command(TOOLS / "train.py", config, "--work-dir", tmp_path / "run"),
        "resume": as_command(TOOLS / "train.py", config, "--work-dir", tmp_path / "run", "--resume",
                             "--cfg-options", "train_cfg.max_iters=3"),
        "test": as_command(TOOLS / "test.py", config, tmp_path / "run" / "iter_2.pth", "--tta",
                           "--work-dir", tmp_path / "tested"),
    }, cwd=empty)
    assert failures == dict.fromkeys(failures, "")


@pytest.mark.long
def test_official_weights_and_configs_in_pure_python(config, empty, tmp_path):
    pure = tmp_path / "pure.py"
    pure.write_text(PURE + f"""
model.decode_head.update(num_classes=3, channels=8)
model.auxiliary_head.update(num_classes=3, channels=8)
model.backbone.update(init_cfg=None)
tiny = __import__("mmengine").Config.fromfile({str(config)!r})
train_dataloader = tiny.train_dataloader
model.data_preprocessor.update(size=(32, 32))
train_cfg = dict(type="IterBasedTrainLoop", max_iters=1)
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = tiny.test_dataloader
del tiny
""")
    raw = tmp_path / "raw14.pth"
    torch.save(official_network("resnest14").state_dict(), raw)
    failures = run_forked({
        "load_from": as_command(TOOLS / "train.py", config, "--work-dir", tmp_path / "from",
                                "--cfg-options", f"load_from={raw}", "custom_hooks=[]",
                                "optim_wrapper.optimizer.lr=0"),
        "pure": as_command(TOOLS / "train.py", pure, "--work-dir", tmp_path / "pure"),
        # with the config that the run has written, which is in text form
        "pure tested": as_command(TOOLS / "test.py", tmp_path / "pure" / "pure.py",
                                  tmp_path / "pure" / "iter_1.pth", "--work-dir",
                                  tmp_path / "pure-tested"),
    }, cwd=empty)
    assert failures == dict.fromkeys(failures, "")
    assert (tmp_path / "pure" / "iter_1.pth").is_file()
    trained = torch.load(tmp_path / "from" / "iter_2.pth", weights_only=False)["state_dict"]
    assert torch.equal(trained["backbone.res4.0.conv3.weight"],
                       torch.load(raw)["layer3.0.conv3.weight"])
