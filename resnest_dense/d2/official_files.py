"""What the YAML files of the official code mean where the same keys mean something else today."""

import logging
from pathlib import PurePosixPath
from typing import Any

from resnest_dense.weights import catalog

__all__ = ["WRAPPER_DEFAULTS", "read_as_official"]

_PLAIN_TO_RESNEST = {
    "build_resnet_backbone": "build_resnest_backbone",
    "build_resnet_fpn_backbone": "build_resnest_fpn_backbone",
    "build_retinanet_resnet_fpn_backbone": "build_retinanet_resnest_fpn_backbone",
}
# Keys of the official wrapper. Saved configs hold all of them, also those of a plain ResNet.
WRAPPER_DEFAULTS = {"DEEP_STEM": True, "AVD": True, "AVG_DOWN": True, "RADIX": 2,
                    "BOTTLENECK_WIDTH": 64}
_PANOPTIC_WEIGHTS = ("resnest200_detectron", "panoptic_ResNeSt_200_FPN_syncBN_tricks_3x")

_logger = logging.getLogger(__name__)


def read_as_official(loaded: dict[str, Any], filename: str) -> dict[str, Any]:
    """The content of a YAML file, with what the official code made of it written out
    (docs/recipes.md 2.7).

    Files of the first fork name a plain ResNet's builder and state ``RADIX`` 2: they mean a
    ResNeSt.
    The semantic head of that fork knew no ``NORM`` but "GN" and left the bias out with any, so the
    published panoptic checkpoint has convolutions with neither: the published panoptic file, and
    files of the fork, get ``BiaslessSemSegFPNHead`` without a norm.

    Args:
        loaded: keys of the file and of its bases; changed in place.
        filename: for the message.

    Returns:
        ``loaded``.
    """
    model = _node(loaded, "MODEL")
    from_fork = _is_from_fork(model)
    if from_fork:
        backbone = model["BACKBONE"]
        backbone["NAME"] = _PLAIN_TO_RESNEST[backbone["NAME"]]
        _logger.warning(
            "%s states MODEL.RESNETS.RADIX %d, as files of the first ResNeSt fork do: "
            "MODEL.BACKBONE.NAME is read as %s.", filename, model["RESNETS"]["RADIX"],
            backbone["NAME"],
        )
    head = _node(model, "SEM_SEG_HEAD")
    if head.get("NORM", "") not in ("", "GN") and (from_fork or _is_official_panoptic(model)):
        _logger.warning(
            "%s: MODEL.SEM_SEG_HEAD.NORM %s is read as the official code read it, as no norm and "
            "no bias, which the published checkpoint needs. Override it (MODEL.SEM_SEG_HEAD.NORM "
            "%s) to train with that norm.", filename, head["NORM"], head["NORM"],
        )
        head.update(NAME="BiaslessSemSegFPNHead", NORM="")
    return loaded


def _is_from_fork(model: dict[str, Any]) -> bool:
    keys = _node(model, "RESNETS")
    stated = {key: keys[key] for key in WRAPPER_DEFAULTS if key in keys}
    plain = _node(model, "BACKBONE").get("NAME") in _PLAIN_TO_RESNEST
    return plain and stated.get("RADIX", 1) > 1 and stated != WRAPPER_DEFAULTS


def _is_official_panoptic(model: dict[str, Any]) -> bool:
    # By its weights, since a user's own panoptic file may well mean the norm that it states.
    entry = catalog.find(PurePosixPath(str(model.get("WEIGHTS"))).name)
    return (model.get("META_ARCHITECTURE") == "PanopticFPN" and "NAME" not in model["SEM_SEG_HEAD"]
            and entry is not None and entry.name in _PANOPTIC_WEIGHTS)


def _node(keys: dict[str, Any], name: str) -> dict[str, Any]:
    # A node without keys is None in YAML.
    return keys.get(name) or {}
