"""Stock scripts of detectron2 with our backbones and keys: ``python -m resnest_dense.d2 SCRIPT``.

A script asks ``detectron2.config.get_cfg`` for the known keys, so that a YAML file of ours ends in
"Non-existent config key: MODEL.RESNETS.RADIX" there. Here they are among detectron2's own defaults,
in this process and in those that the script launches.
"""

import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from detectron2 import engine
from detectron2.config import defaults

from resnest_dense.d2.config import add_resnest_config
from resnest_dense.errors import ResNeStError

__all__ = ["run_script"]

_stock_launch = engine.launch


def run_script(arguments: Sequence[str]) -> None:
    """Runs the script that ``arguments`` begin with, as if Python had been called with them.

    Raises:
        ResNeStError: there is no such script.
    """
    if not arguments or not Path(arguments[0]).is_file():
        raise ResNeStError(
            f"There is no script {''.join(arguments[:1])!r}. Use: python -m resnest_dense.d2 "
            "SCRIPT ARGUMENTS..., with the path of a script such as detectron2's "
            "tools/train_net.py.")
    _add_keys()
    engine.launch = _launch
    sys.argv = list(arguments)
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    runpy.run_path(arguments[0], run_name="__main__")


def _add_keys() -> None:
    add_resnest_config(defaults._C)


def _launch(main: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return _stock_launch(_WithKeys(main), *args, **kwargs)


class _WithKeys:
    """What a launched process calls, which has read neither our package nor our keys before."""

    def __init__(self, main: Callable[..., Any]):
        self._main = main

    def __call__(self, *args: Any) -> Any:
        _add_keys()
        return self._main(*args)
