"""The shipped configs for configs in pure Python, which mmengine lets inherit by no ``_base_``."""

from typing import Any

from resnest_dense.mmseg.config import load_config

__all__ = ["shipped_config"]


def shipped_config(name: str) -> dict[str, Any]:
    """The settings of a shipped config, for a config of your own in either form of mmengine's.

    One line of it inherits all of them. In a pure-Python config mmengine makes no import but those
    of its bases, which may have no ``_base_``: hence ``__import__``::

        globals().update(__import__("resnest_dense.mmseg").mmseg.shipped_config("NAME"))

        model.decode_head.update(num_classes=12)

    Args:
        name: of the config, with or without ``.py``; a path does too.

    Raises:
        ResNeStValueError: no such config; the message lists the nearest names.
    """
    return dict(load_config(name, lazy_import=False).items())
