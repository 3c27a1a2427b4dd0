"""A stand-in for mmcv's compiled operators, so that MMSegmentation imports on mmcv-lite."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from resnest_dense.errors import ResNeStError

__all__ = ["install"]

_NAME = "mmcv._ext"


def install() -> bool:
    """Put the stand-in where ``mmcv._ext`` is missing; leave a compiled mmcv alone.

    The parts of ``mmcv.ops`` that are pure torch then work; an operator that is not raises
    :class:`ResNeStError` when it is called, and never before.

    Returns:
        Whether the stand-in is in use.
    """
    if _NAME in sys.modules:
        return isinstance(sys.modules[_NAME], _MissingOperators)
    if find_spec("mmcv") is None or find_spec(_NAME) is not None:
        return False
    sys.modules[_NAME] = _MissingOperators(_NAME)
    return True


class _MissingOperators(ModuleType):
    def __init__(self, name: str):
        super().__init__(name)
        # Without a loader: mmengine's `mmcv_full_available()` asks for it and stays honest.
        self.__spec__ = ModuleSpec(name, loader=None)

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args, **kwargs):
            raise ResNeStError(
                f"mmcv's compiled operator {name!r} was called, but this mmcv has none "
                "(mmcv-lite). Install the full mmcv that fits your torch, or use a model "
                "without this operator."
            )

        return missing
