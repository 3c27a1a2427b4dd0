"""Test-time augmentation (``TEST.AUG``): boxes and masks merged over scales and mirror images."""

import logging

from detectron2.config import CfgNode
from detectron2.modeling import GeneralizedRCNN, GeneralizedRCNNWithTTA
from detectron2.modeling.meta_arch import META_ARCH_REGISTRY
from torch import nn

from resnest_dense.errors import ResNeStValueError
from resnest_dense.weights.matching import bare_model

__all__ = ["build_tta_model", "check_tta"]

_logger = logging.getLogger(__name__)


def check_tta(cfg: CfgNode) -> None:
    """Refuses a config that asks for an augmentation which detectron2 does not define.

    Raises:
        ResNeStValueError: ``TEST.AUG.ENABLED`` with a detector that is no R-CNN, or that predicts
            keypoints or takes precomputed proposals.
    """
    if not cfg.TEST.AUG.ENABLED:
        return
    architecture = cfg.MODEL.META_ARCHITECTURE
    obstacles = {
        f"MODEL.META_ARCHITECTURE {architecture} is no R-CNN":
            not issubclass(META_ARCH_REGISTRY.get(architecture), GeneralizedRCNN),
        "MODEL.KEYPOINT_ON is True": cfg.MODEL.KEYPOINT_ON,
        "MODEL.LOAD_PROPOSALS is True": cfg.MODEL.LOAD_PROPOSALS,
    }
    for obstacle, stands in obstacles.items():
        if stands:
            raise ResNeStValueError(
                f"TEST.AUG.ENABLED is True, but {obstacle}: test-time augmentation is defined for "
                "boxes and masks of an R-CNN only. Set TEST.AUG.ENABLED False.")


def build_tta_model(cfg: CfgNode, model: nn.Module) -> nn.Module:
    """The detector with test-time augmentation, on the same weights.

    Panoptic FPN has none for its semantic and panoptic outputs (docs/recipes.md 3.7): its boxes and
    masks alone are augmented.

    Args:
        cfg: that :func:`check_tta` lets pass.
        model: built from it; wrapped for several processes or not.
    """
    model = bare_model(model)
    if type(model) is not GeneralizedRCNN:
        _logger.info("TEST.AUG: %s has test-time augmentation for its boxes and masks alone; its "
                     "other metrics are those without.", type(model).__name__)
        model = GeneralizedRCNN(
            backbone=model.backbone, proposal_generator=model.proposal_generator,
            roi_heads=model.roi_heads, pixel_mean=model.pixel_mean.flatten().tolist(),
            pixel_std=model.pixel_std.flatten().tolist(), input_format=model.input_format,
        ).to(model.device)
    return GeneralizedRCNNWithTTA(cfg, model)
