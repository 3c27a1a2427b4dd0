"""Two processes on a CPU learn what one learns from both of their images."""

import pytest
import torch
from run_tool import run_tool

from resnest_dense.mmseg.run import train


@pytest.fixture
def plain(config):
    """The config without what is random in training, so that only the sharing of work differs."""
    text = config.read_text().replace('dict(type="RandomFlip", prob=0.5), ', "")
    text = text.replace('dict(type="resnest_dense.RandomGaussianBlur"), ', "")
    text = text.replace('"RandomCrop", crop_size=(32, 32)', '"Resize", scale=(32, 32)')
    text = text.replace("num_classes=3", "num_classes=3, dropout_ratio=0")
    text = text.replace("decode_head=dict(", "decode_head=dict(fusion_dropout=0.0, ")
    config.write_text(text)
    return config


def test_two_processes_equal_one_with_both_images(plain, tmp_path):
    train.run(train.make_parser().parse_args([str(plain), "--work-dir", str(tmp_path / "one")]))
    two = run_tool("mmseg_train.py", plain, "--launcher", "pytorch", "--work-dir", tmp_path / "two",
                   "--cfg-options", "train_dataloader.batch_size=1", processes=2)
    assert two.returncode == 0, two.stderr
    one, two = (torch.load(tmp_path / name / "iter_2.pth", weights_only=False)["state_dict"]
                for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-5, msg=name)
