"""A config of MMSegmentation read from its file; what is wrong with it is said in one line."""

from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from resnest_dense.config_errors import explained
from resnest_dense.configs import find_any_config, find_config
from resnest_dense.errors import ResNeStValueError

__all__ = ["load_config"]


def load_config(name: str | Path, **options: Any) -> Config:
    """The config of a path, or of the name of a shipped one.

    Args:
        name: of the config.
        options: of mmengine's ``Config.fromfile``.

    Raises:
        ResNeStValueError: no such config, one of detectron2, one that cannot be read, or without a
            model.
    """
    path = find_config(str(name), "mmseg")
    if path.suffix in (".yaml", ".yml") and find_any_config(path)[1] != "mmseg":
        raise ResNeStValueError(f"{path} is a config of detectron2, not of MMSegmentation.")
    with explained(path):
        cfg = Config.fromfile(path, **options)
    if not isinstance(cfg.get("model"), ConfigDict):
        raise ResNeStValueError(f"{path} has no 'model': a config of MMSegmentation is a dict of "
                                "that name and more, or names a file that has it as its _base_.")
    return cfg
