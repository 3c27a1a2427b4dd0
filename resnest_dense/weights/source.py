"""Weights by what a user calls them: a catalog name, a path, an address or a state dict."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from torch import Tensor

from resnest_dense.errors import ResNeStError, near
from resnest_dense.weights import catalog
from resnest_dense.weights.download import fetch
from resnest_dense.weights.files import read_checkpoint
from resnest_dense.weights.metadata import Metadata, read_metadata

__all__ = ["Source", "Weights", "locate", "open_weights"]

Source = Union[str, os.PathLike, Mapping[str, Tensor]]


@dataclass(frozen=True)
class Weights:
    """A state dict and what is known of it.

    Args:
        name: what messages call it.
        state: the tensors by name, in any layout.
        metadata: what the tensors do not tell.
        others: names of what else the file holds (the state of an optimizer, a log).
    """

    name: str
    state: Mapping[str, Tensor]
    metadata: Metadata = Metadata()
    others: tuple[str, ...] = ()


def open_weights(source: Source) -> Weights:
    """The weights called ``source``: a file, a name in the catalog, an address, or a state dict.

    Raises:
        ResNeStError: none of these, or as :func:`resnest_dense.weights.fetch` and
            :func:`resnest_dense.weights.files.read_checkpoint`.
    """
    if isinstance(source, Mapping):
        return Weights("the state dict", source)
    path = locate(os.fspath(source))
    state, others = read_checkpoint(path)
    return Weights(path.name, state, read_metadata(path), others)


def locate(source: str) -> Path:
    """The file called ``source``: a path, a name in the catalog or an address, fetched if need be.

    Raises:
        ResNeStError: none of these, or as :func:`resnest_dense.weights.fetch`.
    """
    if Path(source).is_file():
        return Path(source)
    if source in catalog.names() or "://" in source:
        return fetch(source)
    raise ResNeStError(
        f"{source!r} is neither a file, nor an address, nor a name in the catalog. "
        f"{near(source, catalog.names())}"
    )
