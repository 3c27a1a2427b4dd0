"""The errors of resnest_dense: every one names the thing, the place and the remedy."""

import difflib
import logging
import os
from collections.abc import Iterable

__all__ = ["ResNeStError", "ResNeStValueError", "log_traceback", "name_extra", "near"]

_SHOWN = 24
# Which extra of ours brings a package that is not there.
_EXTRAS = {
    "torch": ("torch", "torchvision"), "runtime": ("onnxruntime", "openvino"),
    "serve": ("fastapi", "uvicorn", "python_multipart"), "mmseg": ("mmseg", "mmengine", "mmcv"),
    "detectron2": ("detectron2", "fvcore", "iopath", "yacs", "pycocotools")}


class ResNeStError(Exception):
    """Base of every error that resnest_dense raises on purpose."""


class ResNeStValueError(ResNeStError, ValueError):
    """A value that cannot be used: an argument, a config key, an entry of a file."""


def near(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the names nearest to ``name``, and the known ones (the first 24)."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"{hint}Known: {', '.join(known[:_SHOWN])}{more}."


def name_extra(error: ImportError) -> str | None:
    """A sentence about the package that an import lacks and the extra that brings it; None if no
    extra of ours does."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in _EXTRAS.items():
        if package in packages:
            return (f"{package} is not installed: pip install 'resnest_dense[{extra}]', or see "
                    "docs/install.md.")
    return None


def log_traceback(message: str, *args: object) -> None:
    """Logs the error that is being handled, with its traceback, at level DEBUG and into log files
    alone: on the console an error is one line, where ``-v`` does not ask for more."""
    logger = logging.getLogger("resnest_dense")
    consoles = [handler for handler in logger.handlers if isinstance(handler, logging.StreamHandler)
                and not os.path.isfile(str(getattr(handler.stream, "name", "")))]
    for handler in consoles:
        handler.addFilter(_nothing)
    logger.debug(message, *args, exc_info=True)
    for handler in consoles:
        handler.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False
