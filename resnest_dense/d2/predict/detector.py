"""A detector out of a config of either of detectron2's kinds, and the images that it takes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import detectron2.data.transforms as T
import torch
from detectron2.config import CfgNode, LazyConfig, instantiate
from detectron2.modeling import build_model
from omegaconf import DictConfig, OmegaConf
from torch import nn

from resnest_dense.configs import find_any_config
from resnest_dense.d2.checkpointer import load_weights
from resnest_dense.d2.config import get_cfg
from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.published import find_experiment
from resnest_dense.weights import catalog, fetch

__all__ = ["Detector", "build_detector", "load_detector"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Detector:
    """A model and what its config says of the images that it is tested on.

    Args:
        config: path of the config.
        model: in eval mode, its weights random.
        augmentations: what test images go through.
        image_format: their channels, "RGB" or "BGR".
        datasets: names of the sets that it was to be tested and trained on.
        weights: what the config starts from; "" for nothing.
    """

    config: Path
    model: nn.Module
    augmentations: T.AugmentationList
    image_format: str
    datasets: tuple[str, ...]
    weights: str


def build_detector(config: str | Path, *, overrides: Sequence[str] = (),
                   device: str = "cpu") -> Detector:
    """The detector that a YAML config or a LazyConfig (``.py``, or the ``config.yaml`` that the
    stock lazy tool writes) describes.

    Args:
        config: a path, or the name of a shipped config.
        overrides: ``KEY VALUE`` words for a YAML config, ``key=value`` for a LazyConfig.
        device: where the model is built; "meta" gives shapes alone.

    Raises:
        ResNeStValueError: no such config, one of MMSegmentation, or one that cannot be used.
    """
    path, kind = find_any_config(config)
    if kind == "mmseg":
        raise ResNeStValueError(f"{path} is a config of MMSegmentation, not of a detector.")
    try:
        detector = (_from_yaml if kind == "yaml" else _from_lazy)(path, overrides, device)
    except ResNeStError:
        raise
    except Exception as error:  # Whatever the config's own code, or a wrong key, brings about.
        _logger.debug("The code of %s failed:", path, exc_info=True)
        raise ResNeStValueError(f"{' '.join([str(path), *overrides])}: "
                                f"{type(error).__name__}: {error}") from error
    detector.model.eval()
    return detector


def load_detector(detector: Detector, checkpoint: str) -> None:
    """Loads a checkpoint that has all of the detector: a path, an address or a name in the catalog.

    Raises:
        ResNeStError: no such file, or one that lacks weights of the detector: a backbone alone
            finds nothing, and neither does a head with another number of classes.
    """
    if checkpoint in catalog.names():
        checkpoint = str(fetch(checkpoint))  # of a plain ResNet too
    remedy = _suggest_pair(detector.config)
    try:
        report = load_weights(detector.model, checkpoint, remedy=remedy)
    except (OSError, AssertionError, RuntimeError, KeyError, UnpicklingError) as error:
        raise ResNeStError(f"{checkpoint!r} is no checkpoint that can be read: {error}") from error
    lacking = [*dict.fromkeys([*(one.name for one in report.mismatched), *report.missing])]
    if lacking:
        shapes = "; ".join(map(str, report.mismatched[:3]))
        raise ResNeStError(
            f"{checkpoint} is not a checkpoint of {detector.config.name}: it has nothing for "
            f"{len(lacking)} of the detector's weights, such as {', '.join(lacking[:3])}"
            f"{' (' + shapes + ')' if shapes else ''}. {remedy}")


def _suggest_pair(config: Path) -> str:
    published = ""
    if entry := getattr(find_experiment(config.stem), "checkpoint", None):
        state = "its address was dead when last tried" if entry.dead else entry.addresses[0]
        published = f"{config.name} and {entry.name} ({state}), or "
    return (f"Give a config and the checkpoint trained with it: {published}config.yaml and "
            "model_final.pth of one OUTPUT_DIR.")


def _from_yaml(path: Path, overrides: Sequence[str], device: str) -> Detector:
    cfg = get_cfg()
    cfg.merge_from_file(str(path))
    cfg.merge_from_list(list(overrides))
    cfg.MODEL.DEVICE = device
    with torch.device(device):
        model = build_model(cfg)
    return Detector(path, model, T.AugmentationList(_test_resize(cfg)), cfg.INPUT.FORMAT,
                    (*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN), cfg.MODEL.WEIGHTS)


def _test_resize(cfg: CfgNode) -> list[T.Augmentation]:
    return [T.ResizeShortestEdge([cfg.INPUT.MIN_SIZE_TEST] * 2, cfg.INPUT.MAX_SIZE_TEST)]


def _from_lazy(path: Path, overrides: Sequence[str], device: str) -> Detector:
    cfg = LazyConfig.apply_overrides(LazyConfig.load(str(path)), list(overrides))
    if not isinstance(cfg.get("model"), DictConfig):
        raise ResNeStValueError(f"{path} has no 'model': a LazyConfig of a detector needs one.")
    with torch.device(device):
        model = instantiate(cfg.model).to(device)
    mapper = OmegaConf.select(cfg, "dataloader.test.mapper")
    names = [OmegaConf.select(cfg, f"dataloader.{split}.dataset.names") or ()
             for split in ("test", "train")]
    groups = [[group] if isinstance(group, str) else group for group in names]
    augmentations = instantiate(mapper.augmentations) if mapper else _test_resize(get_cfg())
    return Detector(
        path, model, T.AugmentationList(augmentations),
        mapper.image_format if mapper else model.input_format,
        tuple(name for group in groups for name in group),
        OmegaConf.select(cfg, "train.init_checkpoint") or "",
    )
