"""A weight file rewritten in another layout, bit for bit the same weights."""

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from resnest_dense.errors import ResNeStError
from resnest_dense.nn import Deformable, ResNeSt
from resnest_dense.nn.stages import STAGE_NAMES
from resnest_dense.weights.files import read, write
from resnest_dense.weights.identify import possible_architectures, read_architecture, to_ours
from resnest_dense.weights.layouts import COUNTER, from_ours, get_layout
from resnest_dense.weights.source import Source, open_weights, write_metadata
from resnest_dense.weights.transfer import Digests

__all__ = ["convert"]

_FEATURE_TOLERANCE = 1e-5  # of the largest value; sums are not always in the same order
_SIDE = 64  # of the image that features are taken of, in pixels: two in the last stage
_TAPS = 3 * 3

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
    get_layout(target_layout)  # its name, before anything is read
    weights, out = open_weights(source), Path(out)
    found = to_ours(weights.state, name=weights.name)
    layout = get_layout(target_layout, found.backbone)
    kept = found.rest if found.layout == layout else {}
    state = from_ours(found.backbone, layout, prefix=found.prefix if kept else layout.prefix)
    write({**state, **kept}, out)
    _compare(out, state)
    same_features = _compare_features(out, found.backbone)
    left_out = [name for name in found.rest if name not in kept]
    names = weights.metadata.architectures or possible_architectures(found.backbone)
    digest = Digests("sha256").read(out).values()[0]
    write_metadata(out, replace(weights.metadata, architectures=tuple(names)), about={
        "source": weights.name, "layout": layout.name, "sha256": digest, "left_out": left_out,
        "same_features": same_features})
    _logger.info("%s (layout %s) written to %s (layout %s): %d entries, %d left out", weights.name,
                 found.layout.name, out, layout.name, len(state) + len(kept), len(left_out))
    if not same_features:
        _logger.warning("%s: a part of a ResNeSt, or one of another kind, so only its weights were "
                        "compared and not its features.", out)
    return out


def _compare(out: Path, state: Mapping[str, Tensor]) -> None:
    written = read(out)
    for name, tensor in state.items():
        read_again = written.get(name)
        # Weights of a training that failed are weights too, so that NaN equals NaN.
        if (read_again is None or read_again.dtype != tensor.dtype
                or read_again.shape != tensor.shape
                or not torch.allclose(read_again, tensor, rtol=0, atol=0, equal_nan=True)):
            out.unlink()
            raise ResNeStError(f"{out} was removed: {name} reads otherwise than it was written.")


def _compare_features(out: Path, backbone: Mapping[str, Tensor]) -> bool:
    """Whether the features could be compared; raises where they differ."""
    before, after = _features_of(backbone), _features_of(to_ours(read(out)).backbone)
    if before is None or after is None:
        return False
    for name, tensor in before.items():
        near = _FEATURE_TOLERANCE * float(tensor.nan_to_num().abs().max())
        if not torch.allclose(after[name], tensor, rtol=0, atol=near, equal_nan=True):
            out.unlink()
            raise ResNeStError(f"{out} was removed: the features {name} differ from the source's.")
    return True


def _features_of(backbone: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The features, by name, that a network with these weights gives of one fixed random image;
    None where they are a part of a network, or of one of another kind."""
    network = _rebuild(backbone)
    if network is None:
        return None
    # Copied: kernels add up in another order where a file's tensors are not aligned in memory.
    missing, _ = network.to_empty(device="cpu").load_state_dict(backbone, strict=False)
    if any(not name.endswith(COUNTER) for name in missing):
        return None
    image = torch.rand(1, network.in_channels, _SIDE, _SIDE,
                       generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return network.eval()(image)


def _rebuild(backbone: Mapping[str, Tensor]) -> ResNeSt | None:
    architecture = read_architecture(backbone)
    stem = backbone.get("stem.conv1_1.weight", backbone.get("stem.conv1.weight"))
    if architecture is None or stem is None or stem.dim() != 4:
        return None
    norm = next((name for name, part in (("BN", "running_mean"), ("GN", "weight"))
                 if f"res2.0.conv1.norm.{part}" in backbone), "")
    with torch.device("meta"):  # nothing is initialised only to be overwritten
        return ResNeSt(architecture, norm=norm, in_channels=stem.shape[1],
                       deform=_read_deformable(backbone))


def _read_deformable(backbone: Mapping[str, Tensor]) -> Deformable | None:
    stages = tuple(s for s in STAGE_NAMES if f"{s}.0.conv2_offset.weight" in backbone)
    if not stages:
        return None
    offset = backbone[f"{stages[0]}.0.conv2_offset.weight"]
    groups = backbone[f"{stages[0]}.0.conv1.weight"].shape[0] // offset.shape[1]
    return Deformable(stages, modulated=offset.shape[0] == 3 * groups * _TAPS, groups=groups)
