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
from resnest_dense.weights.rebuild import features_of
from resnest_dense.weights.source import Source, open_weights
from resnest_dense.weights.translate import from_ours, to_ours

__all__ = ["convert"]

_FEATURE_TOLERANCE = 1e-5  # of the largest value; sums are not always in the same order

_logger = logging.getLogger(__name__)


def convert(source: Source, target_layout: str, out: str | os.PathLike) -> Path:
    """Write the weights of ``source`` in another layout, and what is known of them beside it.

    The backbone (with an ImageNet classifier, if it has one) is written under the names and prefix
    of the layout. What else the file has (heads) is kept only within the same layout, where its
    names stay right. ``out`` + ``.json`` gets layout, architectures, SHA-256, input contract and
    what was left out. The written file is read again and compared, bit for bit, and by the features
    that both give of an image.

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
    same_features = _compare_features(out, found.backbone)
    left_out = [name for name in found.rest if name not in kept]
    names = weights.metadata.architectures or possible_architectures(found.backbone)
    write_metadata(out, replace(weights.metadata, architectures=tuple(names)), about={
        "source": weights.name,
        "layout": layout.name,
        "sha256": Digests("sha256").read(out).values()[0],
        "left_out": left_out,
        "same_features": same_features,
    })
    _logger.info("%s (layout %s) written to %s (layout %s): %d entries, %d left out", weights.name,
                 found.layout.name, out, layout.name, len(state) + len(kept), len(left_out))
    if not same_features:
        _logger.warning("%s: a part of a ResNeSt, or one of another kind, so only its weights were "
                        "compared and not its features.", out)
    return out


def _compare(out: Path, state: Mapping[str, Tensor]) -> None:
    written = read(out)
    for name, tensor in state.items():
        if name not in written or not _same(written[name], tensor):
            out.unlink()
            raise ResNeStError(f"{out} was removed: {name} reads otherwise than it was written.")


def _compare_features(out: Path, backbone: Mapping[str, Tensor]) -> bool:
    """Whether the features could be compared; raises where they differ."""
    before, after = features_of(backbone), features_of(to_ours(read(out)).backbone)
    if before is None or after is None:
        return False
    for name, tensor in before.items():
        near = _FEATURE_TOLERANCE * float(tensor.nan_to_num().abs().max())
        if not torch.allclose(after[name], tensor, rtol=0, atol=near, equal_nan=True):
            out.unlink()
            raise ResNeStError(f"{out} was removed: the features {name} differ from the source's.")
    return True


def _same(a: Tensor, b: Tensor) -> bool:
    alike = a.dtype == b.dtype and a.shape == b.shape
    # Weights of a training that failed are weights too.
    return alike and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)
