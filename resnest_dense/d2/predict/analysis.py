"""What a detector costs, part by part."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.modeling import GeneralizedRCNN, RetinaNet
from detectron2.modeling.poolers import ROIPooler
from torch import Tensor, nn

from resnest_dense.analysis import Analysis, analyze, model_parts
from resnest_dense.d2.predict.predictor import Detector, build_detector
from resnest_dense.errors import ResNeStError

__all__ = ["analyze_detector"]

_PARTS = {
    "FPN": ("backbone",), "RPN": ("proposal_generator",),
    "box head": ("roi_heads.box_head", "roi_heads.box_predictor"),
    "mask head": ("roi_heads.mask_head",), "keypoint head": ("roi_heads.keypoint_head",),
    "semantic head": ("sem_seg_head",), "dense head": ("head",)}


def analyze_detector(config: str | Path, size: tuple[int, int] | None = None) -> Analysis:
    """Counts of the detector that a config of detectron2 describes; nothing is computed.

    Args:
        config: as for :func:`build_detector`.
        size: height and width of the image; the largest test size of the config when None.

    Raises:
        ResNeStError: a config that cannot be used, or a detector with other parts than an R-CNN, a
            Panoptic FPN or a RetinaNet.
    """
    detector = build_detector(config, device="meta")
    model = detector.model
    step = getattr(model.backbone, "size_divisibility", 1) or 1
    height, width = (-(-side // step) * step for side in size or _test_size(detector))
    image = torch.empty(1, 3, height, width, device="meta")
    parts = model_parts(model, _PARTS, backbone="backbone.bottom_up")
    if isinstance(model, RetinaNet):
        return analyze(model, image, parts, lambda image: model.head(
            [*map(model.backbone(image).get, model.head_in_features)]))
    if not isinstance(model, GeneralizedRCNN) or not hasattr(model.roi_heads, "box_pooler"):
        raise ResNeStError(
            f"{detector.config}: {type(model).__name__} has parts that are not known.")
    proposals = model.proposal_generator.post_nms_topk[False]
    detections = _listed(model.roi_heads.box_predictor)[0].test_topk_per_image
    return analyze(
        model, image, parts, lambda image: _run_rcnn(model, image, proposals, detections),
        [f"Box heads for {proposals} proposals, heads of masks and keypoints for {detections} "
         "detections: the most that there can be."])


def _test_size(detector: Detector) -> tuple[int, int]:
    for augmentation in detector.augmentations.augs:
        if hasattr(augmentation, "short_edge_length"):
            short = augmentation.short_edge_length
            return (short if isinstance(short, int) else max(short)), augmentation.max_size
    return 800, 1333


def _run_rcnn(model: GeneralizedRCNN, image: Tensor, proposals: int, detections: int) -> None:
    features = model.backbone(image)
    rpn, heads = model.proposal_generator, model.roi_heads
    rpn.rpn_head([features[name] for name in rpn.in_features])

    def pooled(count: int, pooler: ROIPooler, names: Sequence[str]) -> Tensor:
        return image.new_empty(count, features[names[0]].shape[1], *pooler.output_size)

    boxes = pooled(proposals, heads.box_pooler, heads.box_in_features)
    for head, predictor in zip(_listed(heads.box_head), _listed(heads.box_predictor)):
        predictor(head(boxes))
    for kind in ("mask", "keypoint"):
        if getattr(heads, f"{kind}_on"):
            head, pooler, names = (getattr(heads, f"{kind}_{part}")
                                   for part in ("head", "pooler", "in_features"))
            head.layers(pooled(detections, pooler, names))
    if hasattr(model, "sem_seg_head"):
        model.sem_seg_head.layers(features)


def _listed(module: Any) -> list[Any]:
    return list(module) if isinstance(module, nn.ModuleList) else [module]  # cascades have lists
