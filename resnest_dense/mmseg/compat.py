"""What mmengine does not do with newer packages, each fix with its reason and when it may go."""

import builtins
import codecs
from importlib.metadata import PackageNotFoundError, packages_distributions, version

import numpy as np
import torch
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.logging import HistoryBuffer

from resnest_dense.errors import ResNeStError

__all__ = ["allow_run_history", "name_the_fork"]

_STATISTICS = ("min", "max", "current", "mean")


def allow_run_history() -> None:
    """Let ``torch.load`` read the log of a run that mmengine keeps in its checkpoints.

    Since torch 2.6 ``torch.load`` refuses classes that it does not know, and mmengine (to 0.10.7)
    neither registers its ``HistoryBuffer`` nor passes ``weights_only``; testing and resuming fail.
    Only the buffer, numpy arrays of numbers and the four statistics by name are let in, so a file
    from anyone can still run nothing. It may go when mmengine writes or registers plain data.
    """
    if not hasattr(torch.serialization, "safe_globals"):
        return  # torch before 2.5 reads such files without this.
    core = np._core.multiarray if hasattr(np, "_core") else np.core.multiarray
    numbers = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1")
    allowed = [HistoryBuffer, np.dtype, np.ndarray, (_statistic, "builtins.getattr"),
               (codecs.encode, "_codecs.encode")]
    allowed += list(dict.fromkeys(type(np.dtype(name)) for name in numbers))
    # numpy 2 renamed the module; a file has the name of the numpy that wrote it.
    for module in ("numpy._core.multiarray", "numpy.core.multiarray"):
        allowed += [(getattr(core, name), f"{module}.{name}")
                    for name in ("_reconstruct", "scalar")]
    torch.serialization.add_safe_globals(allowed)


def name_the_fork() -> None:
    """Let ``mmseg::`` in configs find a fork of mmsegmentation under another package name.

    mmengine looks for a package ``mmsegmentation``, and so does onedl-mmengine (to 0.10.12) beside
    its onedl-mmsegmentation. It may go when forks write their own name there.
    """
    try:
        version(MODULE2PACKAGE["mmseg"])
    except PackageNotFoundError:
        for package in packages_distributions().get("mmseg", ()):
            MODULE2PACKAGE["mmseg"] = package


def _statistic(owner, name):
    """The one use of ``getattr`` in such a file: the buffer's statistics by their names."""
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise ResNeStError(
            f"The checkpoint asks for {name!r} of {owner!r}, which no run of mmengine writes: it "
            "may be harmful and was not read."
        )
    return builtins.getattr(owner, name)
