"""Plain pickles of numpy arrays, as detectron2's ``.pkl`` files are, read without running what they
hold."""

import codecs
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

__all__ = ["read_arrays"]

_MULTIARRAY = np.zeros(1).__reduce__()[0]  # numpy 2 renamed its module
_SCALAR = np.float32(1).__reduce__()[0]
# What arrays are made of; nothing else is looked up.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict, ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype, ("_codecs", "encode"): codecs.encode}
for _core in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED |= {(_core, "_reconstruct"): _MULTIARRAY, (_core, "scalar"): _SCALAR}
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")
        return _ALLOWED[module, name]


def read_arrays(path: Path) -> Any:
    """What a pickle holds, its arrays as tensors; Caffe2's files keep theirs under "blobs".

    Raises:
        pickle.UnpicklingError: it names an object ("GLOBAL module.name") that is no array, or
            would take more memory than its size explains.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        # The unpickler makes room up to the greatest number that it is to remember something by.
        for opcode, number, _ in pickletools.genops(file):
            if opcode.name in _PUTS and (number or 0) > size:
                raise pickle.UnpicklingError(f"number {number} of {size} bytes")
        file.seek(0)
        content = _Unpickler(file, encoding="latin1").load()  # Python 2 wrote the oldest
    if isinstance(content, Mapping):
        content = content.get("blobs", content)
    return _with_tensors(content, size, {})


def _with_tensors(content: Any, most: int, known: dict[int, Any]) -> Any:
    """``content`` with tensors in place of arrays, of which none has more than ``most`` bytes; what
    is in it twice is made once, and ``known`` by its id."""
    if id(content) in known:
        return known[id(content)]
    if isinstance(content, Mapping):
        result: Any = {name: _with_tensors(value, most, known) for name, value in content.items()}
    elif isinstance(content, np.ndarray) and content.dtype.kind in "fiub":
        if content.nbytes > most:
            raise pickle.UnpicklingError(f"an array of {content.nbytes} bytes")
        result = torch.from_numpy(np.array(content))
    else:
        result = content
    return known.setdefault(id(content), result)
