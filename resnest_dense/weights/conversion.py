"""A weight file rewritten in another layout, bit for bit the same weights."""

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from resnest_dense.errors import ResNeStError
from resnest_dense.weights.digests import Digests
from resnest_dense.weights.files import read, write
from resnest_dense.weights.identify import possible_architectures
from resnest_dense.weights.layouts import get_layout
from resnest_dense.weights.metadata import write_metadata
from resnest_dense.weights.source import Source, open_weights
from resnest_dense.weights.translate import from_ours, to_ours

__all__ = ["convert"]

_logger = logging.getLogger(__name__)


def convert(source: Source, target_layout: str, out: str | os.PathLike) -> Path:
    """Write the weights of ``source`` in another layout, and what is known of them beside it.

    The backbone (with an ImageNet classifier, if it has one) is written under the names and prefix
    of the layout. What else the file has (heads) is kept only within the same layout, where its
    names stay right. ``out`` + ``.json`` gets layout, architectures, SHA-256, input contract and
    what was left out. The written file is read again and compared.

    Args:
        source: a name in the catalog, a path, an address, or a state dict.
        target_layout: see :func:`resnest_dense.weights.layouts.get_layout`.
        out: the file to write, ``.pth`` or ``.safetensors``.

    Raises:
        ResNeStValueError: an unknown layout or ending.
        ResNeStError: as :func:`resnest_dense.weights.load`, or the layout lacks a name for a part.
    """
    layout, out = get_layout(target_layout), Path(out)
    weights = open_weights(source)
    found = to_ours(weights.state, name=weights.name)
    kept = found.rest if found.layout == layout else {}
    state = from_ours(found.backbone, layout, prefix=found.prefix if kept else layout.prefix)
    write({**state, **kept}, out)
    _compare(out, state)
    left_out = [name for name in found.rest if name not in kept]
    names = weights.metadata.architectures or possible_architectures(found.backbone)
    write_metadata(out, replace(weights.metadata, architectures=tuple(names)), about={
        "source": weights.name,
        "layout": layout.name,
        "sha256": Digests("sha256").read(out).values()[0],
        "left_out": left_out,
    })
    _logger.info("%s (layout %s) written to %s (layout %s): %d entries, %d left out", weights.name,
                 found.layout.name, out, layout.name, len(state) + len(kept), len(left_out))
    return out


def _compare(out: Path, state: Mapping[str, Tensor]) -> None:
    written = read(out)
    for name, tensor in state.items():
        if name not in written or not _same(written[name], tensor):
            out.unlink()
            raise ResNeStError(f"{out} was removed: {name} reads otherwise than it was written.")


def _same(a: Tensor, b: Tensor) -> bool:
    alike = a.dtype == b.dtype and a.shape == b.shape
    # Weights of a training that failed are weights too.
    return alike and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)
