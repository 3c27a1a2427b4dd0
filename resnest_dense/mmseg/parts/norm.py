"""OpenMMLab's way to say which norm a network has."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from resnest_dense.errors import ResNeStValueError, near
from resnest_dense.nn.norm import NORM_NAMES, Norm
from resnest_dense.nn.sync_norm import SyncBatchNorm

__all__ = ["read_norm"]


def read_norm(norm_cfg: Mapping[str, Any]) -> Norm:
    """What our network takes as its norm, from an OpenMMLab ``norm_cfg``.

    Raises:
        ResNeStValueError: a type or key that it does not know.
    """
    options = dict(norm_cfg)
    kind = options.pop("type", None)
    if not kind or kind not in NORM_NAMES:
        names = [name for name in NORM_NAMES if name]
        raise ResNeStValueError(f"Unknown type {kind!r} in norm_cfg. {near(kind, names)}")
    if kind not in ("BN", "SyncBN"):
        fixed = options.pop("num_groups", 32) == 32 and options.pop("requires_grad", True)
        if options or not fixed:
            raise ResNeStValueError(f"norm_cfg={norm_cfg!r}: {kind!r} takes no options here.")
        return kind
    trainable = options.pop("requires_grad", True)
    for name in options:
        if name not in ("eps", "momentum"):
            raise ResNeStValueError(
                f"Unknown key {name!r} in norm_cfg. {near(name, ('eps', 'momentum'))}"
            )
    layer = nn.BatchNorm2d if kind == "BN" else SyncBatchNorm
    return lambda channels: layer(channels, **options).requires_grad_(trainable)
