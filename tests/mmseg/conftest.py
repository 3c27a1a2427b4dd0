"""A tiny own data set and a config for it that trains in seconds."""

import pytest
import quick_configs  # noqa: F401

from demo.tiny_labels import CONFIG, write_tiny_labels
from resnest_dense.configs import find_config


@pytest.fixture
def folders(tmp_path):
    """Images and their labels."""
    return write_tiny_labels(tmp_path)


@pytest.fixture
def config(tmp_path, folders):
    """Path of a config that trains a small DeepLabV3 on the folders."""
    base = find_config("resnest14_deeplabv3_ade20k", "mmseg")
    path = tmp_path / "tiny.py"
    path.write_text(CONFIG.format(base=base, images=folders[0], labels=folders[1]))
    return path
