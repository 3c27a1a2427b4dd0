"""Text configs for pure-Python ones: what ``configs/mmseg/pure`` is made of."""

from pathlib import Path

from mmengine.config import Config

__all__ = ["read_config"]


def read_config(pure: str) -> dict:
    """The settings of the text config with the same name as the pure-Python config at ``pure``.

    mmengine refuses a pure-Python config that names a ``_base_``, and MMSegmentation ships no
    pure-Python bases. Nothing reads ``custom_imports`` in that form: this module's import does what
    it would, and the setting serves the text config that a run writes beside its checkpoints.
    """
    path = Path(pure)
    return dict(Config.fromfile(path.parents[1] / path.name, lazy_import=False).items())
