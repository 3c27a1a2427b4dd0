"""The ResNeSt backbone with the arguments and the output that OpenMMLab's libraries expect."""

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mmengine.logging import MMLogger
from mmengine.model import BaseModule, PretrainedInit
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnest_dense import nn as network
from resnest_dense.architectures import get_architecture
from resnest_dense.errors import ResNeStValueError, near, require_switches
from resnest_dense.mmseg.registry import MODELS
from resnest_dense.nn.norm import NORM_NAMES, Norm
from resnest_dense.nn.stages import STAGE_NAMES
from resnest_dense.nn.sync_norm import SyncBatchNorm
from resnest_dense.weights import load
from resnest_dense.weights.identify import to_ours

__all__ = ["ResNeSt"]

_BATCH_NORM = MappingProxyType({"type": "BN"})


@MODELS.register_module()
class ResNeSt(network.ResNeSt, BaseModule):
    """:class:`resnest_dense.ResNeSt` for MMSegmentation: ``type="resnest_dense.ResNeSt"``.

    Args:
        architecture: one of :func:`resnest_dense.list_architectures`.
        in_channels: channels of the image.
        output_stride: stride of the last stage: 32, 16 or 8.
        dilated_form: "official" (the paper's networks), "mmseg" (MMSegmentation's ResNeSt and its
            released weights) or "detectron2"; matters below output stride 32 only.
        out_indices: which stages to return, 0 (stride 4) to 3.
        frozen_stages: -1 trains everything, 0 freezes the stem, k the stem and the first k stages.
        norm_cfg: its ``type`` is "BN", "SyncBN", "GN" (32 groups) or "FrozenBN"; batch norms also
            take ``requires_grad``, ``eps`` and ``momentum``.
        norm_eval: keep the statistics of all batch norms as they are.
        with_cp: recompute activations in backward, to save memory.
        compile: compile the stem and each stage with ``torch.compile``.
        pretrained: short for ``init_cfg=dict(type="Pretrained", checkpoint=pretrained)``.
        init_cfg: weights to start from: a catalog name, a path, a URL or "open-mmlab://...", in
            any known layout; every weight of the backbone must be in it.

    Shape:
        (N, in_channels, H, W) -> one (N, C_i, H / s_i, W / s_i) for each of ``out_indices``

    Raises:
        ResNeStValueError: an argument with a value outside those listed.
    """

    def __init__(self, architecture: str, *, in_channels: int = 3, output_stride: int = 32,
                 dilated_form: str = "official", out_indices: Sequence[int] = (0, 1, 2, 3),
                 frozen_stages: int = -1, norm_cfg: Mapping[str, Any] = _BATCH_NORM,
                 norm_eval: bool = False, with_cp: bool = False, compile: bool = False,
                 pretrained: str | None = None, init_cfg: dict | None = None):
        if (not isinstance(out_indices, Sequence)
                or not all(type(index) is int and index in range(4) for index in out_indices)
                or not 0 < len(out_indices) == len(set(out_indices))):
            raise ResNeStValueError(f"out_indices={out_indices!r}: use some of 0, 1, 2, 3, each "
                                    "once.")
        if type(frozen_stages) is not int or frozen_stages not in range(-1, 5):
            raise ResNeStValueError(f"frozen_stages={frozen_stages!r}: use a number from -1 to 4.")
        require_switches(norm_eval=norm_eval, with_cp=with_cp)
        _check_pretrained(pretrained, init_cfg)
        super().__init__(
            get_architecture(architecture), norm=_read_norm(norm_cfg), in_channels=in_channels,
            out_features=[STAGE_NAMES[i] for i in out_indices], output_stride=output_stride,
            dilated_form=dilated_form, freeze_at=frozen_stages + 1,
            checkpoint_stages=STAGE_NAMES if with_cp else (), compile=compile)
        self.norm_eval = norm_eval
        self.init_cfg = dict(type="Pretrained", checkpoint=pretrained) if pretrained else init_cfg

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(super().forward(x).values())

    def train(self, mode: bool = True) -> "ResNeSt":
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str,
                              *args: Any) -> None:
        # A checkpoint of a whole segmentor may hold its backbone in any layout.
        own = {key.removeprefix(prefix): value for key, value in state_dict.items()
               if key.startswith(prefix)}
        if own and not any(key.startswith(STAGE_NAMES) for key in own):
            found = to_ours(own)
            for ours, theirs in found.names.items():
                del state_dict[prefix + theirs]
                state_dict[prefix + ours] = found.backbone[ours]
        super()._load_from_state_dict(state_dict, prefix, *args)

    def init_weights(self) -> None:
        """Load what ``init_cfg`` names; without it the weights stay as the network drew them."""
        named = [cfg["checkpoint"] for cfg in _listed(self.init_cfg)
                 if cfg["type"] in ("Pretrained", PretrainedInit)]
        if not named:
            return super().init_weights()
        # The model around it compares the report with its input, see `patches`.
        self.load_report = load(self, named[0], logger=MMLogger.get_current_instance())
        self._is_init = True


def _check_pretrained(pretrained: Any, init_cfg: Any) -> None:
    """Raises:
        ResNeStValueError: weights that mmengine could not find when it initialises the model.
    """
    if not isinstance(pretrained, str | os.PathLike | None):
        raise ResNeStValueError(f"pretrained={pretrained!r}: give the name of weights, or None.")
    for cfg in _listed(init_cfg):
        if not isinstance(cfg, Mapping) or "type" not in cfg or (
                cfg["type"] in ("Pretrained", PretrainedInit)
                and not isinstance(cfg.get("checkpoint"), str | os.PathLike)):
            raise ResNeStValueError(f"init_cfg={init_cfg!r}: give dict(type=\"Pretrained\", "
                                    "checkpoint=\"...\"), or None.")


def _listed(init_cfg: Any) -> list:
    """The parts of an ``init_cfg``, of which {} has none to mmengine too."""
    return init_cfg if isinstance(init_cfg, list) else [init_cfg] if init_cfg else []


def _read_norm(norm_cfg: Mapping[str, Any]) -> Norm:
    """What our network takes as its norm."""
    if not isinstance(norm_cfg, Mapping):
        raise ResNeStValueError(f"norm_cfg={norm_cfg!r}: give dict(type=\"BN\") or another type.")
    options = dict(norm_cfg)
    kind, trainable = options.pop("type", None), options.pop("requires_grad", True)
    if not kind or kind not in NORM_NAMES:
        names = [name for name in NORM_NAMES if name]
        raise ResNeStValueError(f"Unknown type {kind!r} in norm_cfg. {near(kind, names)}")
    require_switches(**{"requires_grad in norm_cfg": trainable})
    if kind not in ("BN", "SyncBN"):
        if options.pop("num_groups", 32) != 32 or options or not trainable:
            raise ResNeStValueError(f"norm_cfg={norm_cfg!r}: {kind!r} takes no options here.")
        return kind
    for name, value in options.items():
        if name not in ("eps", "momentum"):
            raise ResNeStValueError(
                f"Unknown key {name!r} in norm_cfg. {near(name, ('eps', 'momentum'))}")
        if type(value) not in (int, float) or not 0 < value <= 1:
            raise ResNeStValueError(f"{name}={value!r} in norm_cfg: use a number above 0, to 1.")
    layer = nn.BatchNorm2d if kind == "BN" else SyncBatchNorm
    return lambda channels: layer(channels, **options).requires_grad_(trainable)
