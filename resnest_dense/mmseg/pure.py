"""Text configs for pure-Python ones: what ``configs/mmseg/pure`` is made of."""

from pathlib import Path

from mmengine.config import Config

__all__ = ["read_config"]


def read_config(pure: str) -> dict:
    """The settings of the text config with the same name as the pure-Python config at ``pure``.

    mmengine cannot mix the two forms, MMSegmentation ships no pure-Python bases, and
    ``custom_imports`` is not read in that form: this module's import does what it would.
    """
    path = Path(pure)
    cfg = Config.fromfile(path.parents[1] / path.name, lazy_import=False,
                          import_custom_modules=False)
    return {key: value for key, value in cfg.items() if key != "custom_imports"}
