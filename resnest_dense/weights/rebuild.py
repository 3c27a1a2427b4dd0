"""The network that some weights are of, built from nothing but their names and shapes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from resnest_dense.nn import Deformable, ResNeSt
from resnest_dense.nn.stages import STAGE_NAMES
from resnest_dense.weights.identify import read_architecture
from resnest_dense.weights.layouts import COUNTER

__all__ = ["features_of"]

_SIDE = 64  # of the image, in pixels: two in the last stage
_TAPS = 3 * 3


def features_of(backbone: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The features that a network with these weights gives of one fixed random image.

    Args:
        backbone: weights under our names, without prefix; entries of a classifier do not matter.

    Returns:
        Features by name; None where the weights are a part of a network, or of one of another kind.
    """
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
    norms = {"BN": "running_mean", "GN": "weight"}
    norm = next((name for name, part in norms.items()
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
