"""Config keys of ResNeSt under ``MODEL.RESNETS`` and of runs under ``SOLVER`` and ``TEST``, beside
detectron2's own, none of which change, and what the official code's YAML files mean where the same
keys mean something else today."""

import builtins
import copy
import functools
import logging
import os
from collections.abc import Sequence
from io import StringIO
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, TextIO

import yaml  # type: ignore[import-untyped]
from detectron2.config import CfgNode, LazyConfig
from detectron2.config import get_cfg as get_stock_cfg
from omegaconf import DictConfig

from resnest_dense.base.plain_yaml import PlainLoader
from resnest_dense.config_errors import explained
from resnest_dense.d2.config_keys import KEYS, merge_file, merge_overrides, require_keys
from resnest_dense.errors import ResNeStValueError, near
from resnest_dense.weights import catalog

__all__ = ["add_resnest_config", "get_cfg", "load_lazy_config", "load_yaml_config"]

_PLAIN_BUILDERS = ("build_resnet_backbone", "build_resnet_fpn_backbone",
                   "build_retinanet_resnet_fpn_backbone")
# Keys of the official wrapper. Saved configs hold all of them, also those of a plain ResNet.
_WRAPPER_DEFAULTS = {key: KEYS[f"MODEL.RESNETS.{key}"][0] for key in
                     ("DEEP_STEM", "AVD", "AVG_DOWN", "RADIX", "BOTTLENECK_WIDTH")}
_PANOPTIC_WEIGHTS = ("resnest200_detectron", "panoptic_ResNeSt_200_FPN_syncBN_tricks_3x")
_logger = logging.getLogger(__name__)


def load_lazy_config(path: str | PurePath, overrides: Sequence[str] = ()) -> DictConfig:
    """The LazyConfig of a ``.py`` file (or of the ``.yaml`` that its run saved), with ``key=value``
    overrides.

    Raises:
        ResNeStValueError: the file cannot be read, or an override cannot be applied.
    """
    stock_import = builtins.__import__
    try:
        with explained(path):
            if not str(path).endswith(".py"):  # which detectron2 reads with whatever code is in it
                with open(path, encoding="utf-8") as file:
                    yaml.load(file, PlainLoader)
            cfg = LazyConfig.load(str(path))
    finally:
        # Where the file raises, detectron2 (0.6, sources of 2026-06) leaves its own one in.
        builtins.__import__ = stock_import
    for word in overrides:
        key, equals, _ = word.partition("=")
        if not equals:
            raise ResNeStValueError(f"{word!r}: {path} is a LazyConfig, whose overrides are "
                                    "key=value, such as train.max_iter=100.")
        if key.split(".")[0] not in cfg:
            raise ResNeStValueError(f"{word!r}: {path} has no {key!r}. {near(key, map(str, cfg))}")
        with explained(f"{path} with {word!r}"):
            LazyConfig.apply_overrides(cfg, [word])
    return cfg


def load_yaml_config(path: str | PurePath, overrides: Sequence[str] = ()) -> CfgNode:
    """The config of a YAML file and its bases, with ``KEY VALUE`` overrides.

    Raises:
        ResNeStValueError: a file that cannot be read, an unknown key, a value of another type.
    """
    cfg = get_cfg()
    with explained(path):
        merge_file(cfg, str(path))
    merge_overrides(cfg, overrides)
    return cfg


def add_resnest_config(cfg: CfgNode) -> None:
    """Adds the ResNeSt keys to ``cfg``, whose names and defaults are the official wrapper's
    (docs/recipes.md 3.1), and those of runs.

    Unlike the official function it leaves ``STRIDE_IN_1X1`` as it is: that key is for plain ResNets
    in the same process, and a ResNeSt never strides in its 1x1.
    """
    for name, (default, _) in KEYS.items():
        *path, key = name.split(".")
        setattr(functools.reduce(getattr, path, cfg), key, copy.copy(default))


def get_cfg() -> CfgNode:
    """detectron2's default config with the ResNeSt keys added.

    Its ``merge_from_file`` reads the YAML files of the official code as that code does.
    """
    cfg = _ResNeStConfig()
    cfg.update(get_stock_cfg())
    add_resnest_config(cfg)
    return cfg


class _ResNeStConfig(CfgNode):
    @classmethod
    def _open_cfg(cls, filename: str) -> TextIO:
        file = super()._open_cfg(filename)
        if "!!python" not in (text := file.read()):
            file.seek(0)
            return file
        file.close()
        return StringIO(yaml.safe_dump(yaml.load(text, PlainLoader)))

    @classmethod
    def load_yaml_with_base(cls, filename: str, allow_unsafe: bool = False) -> dict[str, Any]:
        name = os.fspath(filename)
        if name.endswith(".py"):
            raise ResNeStValueError(
                f"{filename} is a LazyConfig: run it with detectron2's lazyconfig_train_net.py.")
        # Called for each file of a chain of `_BASE_` with what lies behind it merged in.
        if "://" not in name and not Path(name).is_file():
            raise FileNotFoundError(2, "named by _BASE_", name)  # for the file that names it
        with explained(name):
            if "://" not in name:
                require_keys(name)
            loaded = super().load_yaml_with_base(filename)  # no code, whatever allow_unsafe is
        return _read_as_official(loaded, filename)

    def merge_from_other_cfg(self, cfg_other: CfgNode) -> None:
        # yacs merges nodes of the same class only, and those below this root are stock ones, also
        # where other projects add theirs.
        stock = CfgNode()
        vars(stock).update(vars(self))
        stock.update(self)
        stock.merge_from_other_cfg(CfgNode(cfg_other))
        self.update(stock)


def _read_as_official(loaded: dict[str, Any], filename: str) -> dict[str, Any]:
    """The keys of a YAML file and of its bases with what the official code made of them written out
    (docs/recipes.md 2.7).

    Files of the first fork name a plain ResNet's builder and state ``RADIX`` 2: they mean a
    ResNeSt. The semantic head of that fork knew no ``NORM`` but "GN" and left the bias out with
    any, so the published panoptic checkpoint has convolutions with neither: the published panoptic
    file, and files of the fork, get ``BiaslessSemSegFPNHead`` without a norm.
    """
    model = _node(loaded, "MODEL")
    from_fork = _is_from_fork(model)
    if from_fork:
        backbone = model["BACKBONE"]
        backbone["NAME"] = backbone["NAME"].replace("_resnet", "_resnest")
        _logger.warning(
            "%s states MODEL.RESNETS.RADIX %d, as files of the first ResNeSt fork do: "
            "MODEL.BACKBONE.NAME is read as %s.", filename, model["RESNETS"]["RADIX"],
            backbone["NAME"])
    head = _node(model, "SEM_SEG_HEAD")
    if head.get("NORM", "") not in ("", "GN") and (from_fork or _is_official_panoptic(model)):
        _logger.warning(
            "%s: MODEL.SEM_SEG_HEAD.NORM %s is read as the official code read it, as no norm and "
            "no bias, which the published checkpoint needs. Override it (MODEL.SEM_SEG_HEAD.NORM "
            "%s) to train with that norm.", filename, head["NORM"], head["NORM"])
        head.update(NAME="BiaslessSemSegFPNHead", NORM="")
    return loaded


def _is_from_fork(model: dict[str, Any]) -> bool:
    keys = _node(model, "RESNETS")
    stated = {key: keys[key] for key in _WRAPPER_DEFAULTS if key in keys}
    plain = _node(model, "BACKBONE").get("NAME") in _PLAIN_BUILDERS
    return plain and stated.get("RADIX", 1) > 1 and stated != _WRAPPER_DEFAULTS


def _is_official_panoptic(model: dict[str, Any]) -> bool:
    # By its weights, since a user's own panoptic file may well mean the norm that it states.
    entry = catalog.find(PurePosixPath(str(model.get("WEIGHTS"))).name)
    return (model.get("META_ARCHITECTURE") == "PanopticFPN" and "NAME" not in model["SEM_SEG_HEAD"]
            and entry is not None and entry.name in _PANOPTIC_WEIGHTS)


def _node(keys: dict[str, Any], name: str) -> dict[str, Any]:
    # A node without keys is None in YAML, and a user may have put a value there.
    node = keys.get(name)
    return node if isinstance(node, dict) else {}
