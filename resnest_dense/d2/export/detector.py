"""An R-CNN or a RetinaNet as a function of padded images and their sizes.

The network's own parts compute, from the backbone to the heads; what detectron2 does image by image
between them (proposals, suppression, the best detections) is done here for all images at once.
"""

from typing import Any

import torch
from detectron2.modeling import GeneralizedRCNN
from torch import Tensor, nn

from resnest_dense.d2.export.keypoints import find_keypoints
from resnest_dense.d2.export.pooling import pool
from resnest_dense.d2.export.suppression import LEAST, best, suppress
from resnest_dense.runtime.contract import Thresholds

__all__ = ["DenseGraph", "RCNNGraph"]


class _Graph(nn.Module):
    """What both kinds have in common.

    Args:
        model: the detector, in eval mode.
        thresholds: what is left out of its detections.
    """

    def __init__(self, model: nn.Module, thresholds: Thresholds):
        super().__init__()
        self.model, self.thresholds = model, thresholds

    def select(self, boxes: Tensor, scores: Tensor, sizes: Tensor) -> tuple[Tensor, ...]:
        """The detections, image after image, best first: boxes (K, 4), scores, classes, images.

        Args:
            boxes: (N, C, M, 4); C is 1 where all classes share them.
            scores: (N, C, M).
            sizes: (N, 2), height and width.
        """
        limits = self.thresholds
        count, classes, places = scores.shape
        scores = torch.where(scores > limits.score, scores, LEAST)
        kept = suppress(boxes.flatten(0, 1), scores.reshape(-1, classes // boxes.shape[1], places),
                        limits.suppression, limits.detections)
        values, at = best(kept.reshape(count, -1), limits.detections)
        image, rank = (values > LEAST).nonzero().unbind(1)
        at = at[image, rank]
        box = image * boxes[0, ..., 0].numel() + at % boxes[0, ..., 0].numel()
        return boxes.reshape(-1, 4)[box], values[image, rank], at // places, image


def clip(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Boxes inside of their image.

    Shape:
        (N, ..., 4), (N, 2) -> (N, ..., 4)
    """
    limit = sizes.to(boxes.dtype).flip(1).repeat(1, 2)
    return torch.minimum(boxes.clamp(min=0), limit.reshape(-1, *[1] * (boxes.dim() - 2), 4))


class RCNNGraph(_Graph):
    """Faster, Mask, Keypoint and Cascade R-CNN, and Panoptic FPN.

    Shape:
        (N, 3, H, W) normalised, (N, 2) int64 -> boxes (K, 4), scores (K), classes (K), images (K),
        and where there are heads for them masks (K, S, S), keypoints (K, J, 3), semantic
        (N, C, H/4, W/4)
    """

    model: GeneralizedRCNN

    def forward(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, ...]:
        features = self.model.backbone(images)
        heads = self.model.roi_heads
        boxes, scores = self._refine(features, self._propose(features, sizes), sizes)
        boxes, scores, classes, image = self.select(boxes, scores, sizes)
        outputs = [boxes, scores, classes, image]
        for kind, read in (("mask", _own_masks), ("keypoint", find_keypoints)):
            if getattr(heads, f"{kind}_on"):
                head, pooler, names = (getattr(heads, f"{kind}_{part}")
                                       for part in ("head", "pooler", "in_features"))
                pooled = pool(pooler, [features[name] for name in names], boxes, image)
                outputs.append(read(head.layers(pooled), boxes, classes))
        if hasattr(self.model, "sem_seg_head"):
            outputs.append(self.model.sem_seg_head.layers(features))
        return tuple(outputs)

    def _propose(self, features: dict[str, Tensor], sizes: Tensor) -> Tensor:
        """The boxes (N, P, 4) of the RPN; where an image has fewer, empty ones follow."""
        rpn: Any = self.model.proposal_generator
        maps = [features[name] for name in rpn.in_features]
        most = rpn.post_nms_topk[False]
        all_boxes, all_scores = [], []
        for anchors, logits, deltas in zip(rpn.anchor_generator(maps), *rpn.rpn_head(maps)):
            logits, deltas = _by_anchor(logits, 1)[..., 0], _by_anchor(deltas, 4)
            logits, at = logits.topk(_at_most(logits.shape[1], rpn.pre_nms_topk[False]), dim=1)
            boxes = clip(_decode(rpn, _pick(deltas, at), anchors.tensor[at]), sizes)
            sides = boxes[..., 2:] - boxes[..., :2]
            # Places in their order, since a logit may be below 0.
            order = torch.arange(logits.shape[1], 0, -1, device=logits.device).to(logits.dtype)
            ranks = torch.where((sides > rpn.min_box_size).all(2), order, 0)
            kept = suppress(boxes, ranks[:, None], rpn.nms_thresh, most)[:, 0]
            all_boxes.append(boxes)
            all_scores.append(torch.where(kept > LEAST, logits, LEAST))
        scores, at = best(torch.cat(all_scores, dim=1), most)
        boxes = _pick(torch.cat(all_boxes, dim=1), at)
        return torch.where((scores > LEAST)[..., None], boxes, 0)

    def _refine(self, features: dict[str, Tensor], boxes: Tensor, sizes: Tensor
                ) -> tuple[Tensor, Tensor]:
        """Boxes (N, C or 1, P, 4) and scores (N, C, P) of proposals (N, P, 4)."""
        heads: Any = self.model.roi_heads
        maps = [features[name] for name in heads.box_in_features]
        listed = isinstance(heads.box_head, nn.ModuleList)  # a cascade
        stages = list(zip(heads.box_head, heads.box_predictor) if listed else
                      [(heads.box_head, heads.box_predictor)])
        count, places = boxes.shape[:2]
        image = torch.arange(count, device=boxes.device)[:, None].expand(-1, places).flatten()
        there = (boxes[..., 2] > boxes[..., 0])[:, None]
        scores = []
        for head, predictor in stages:
            logits, deltas = predictor(head(pool(heads.box_pooler, maps, boxes.flatten(0, 1),
                                                 image)))
            scores.append(logits.sigmoid() if predictor.use_sigmoid_ce else logits.softmax(-1))
            found = _decode(predictor, deltas, boxes.flatten(0, 1)).reshape(count, places, -1, 4)
            found = clip(found, sizes)
            boxes = found[:, :, 0]
        mean = sum(scores[1:], start=scores[0]) * (1.0 / len(scores))
        mean = mean.reshape(count, places, -1)[..., :-1].transpose(1, 2)
        return found.transpose(1, 2), torch.where(there, mean, LEAST)


class DenseGraph(_Graph):
    """RetinaNet.

    Shape:
        (N, 3, H, W) normalised, (N, 2) int64 -> boxes (K, 4), scores (K), classes (K), images (K)
    """

    def forward(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, ...]:
        model: Any = self.model
        features = model.backbone(images)
        maps = [features[name] for name in model.head_in_features]
        all_boxes, all_scores, all_classes = [], [], []
        for anchors, logits, deltas in zip(model.anchor_generator(maps), *model.head(maps)):
            scores = _by_anchor(logits, model.num_classes).flatten(1).sigmoid()
            scores, at = scores.topk(_at_most(scores.shape[1], model.test_topk_candidates), dim=1)
            anchor = at // model.num_classes
            all_boxes.append(_decode(model, _pick(_by_anchor(deltas, 4), anchor),
                                     anchors.tensor[anchor]))
            all_scores.append(scores)
            all_classes.append(at % model.num_classes)
        boxes, scores = torch.cat(all_boxes, dim=1), torch.cat(all_scores, dim=1)
        known = torch.arange(model.num_classes, device=boxes.device)[:, None]
        own = torch.cat(all_classes, dim=1)[:, None] == known
        boxes, *others = self.select(boxes[:, None], torch.where(own, scores[:, None], LEAST),
                                     sizes)
        return _clip_each(boxes, sizes[others[-1]]), *others


def _clip_each(boxes: Tensor, sizes: Tensor) -> Tensor:
    return clip(boxes[:, None], sizes)[:, 0]


def _at_most(count: Any, most: int) -> Any:
    """The smaller one, also where a graph is traced and a size is a tensor."""
    return count.clamp(max=most) if isinstance(count, Tensor) else min(count, most)


def _by_anchor(values: Tensor, numbers: int) -> Tensor:
    """
    Shape:
        (N, A * numbers, H, W) -> (N, H * W * A, numbers)
    """
    return values.permute(0, 2, 3, 1).reshape(values.shape[0], -1, numbers)


def _pick(values: Tensor, at: Tensor) -> Tensor:
    """
    Shape:
        (N, M, 4), (N, P) -> (N, P, 4)
    """
    return values.gather(1, at[..., None].expand(-1, -1, 4))


def _decode(owner: Any, deltas: Tensor, boxes: Tensor) -> Tensor:
    """The boxes that ``deltas`` make of ``boxes``, of the shape of ``deltas``."""
    flat = owner.box2box_transform.apply_deltas(deltas.reshape(-1, deltas.shape[-1]),
                                                boxes.reshape(-1, 4))
    return flat.reshape(deltas.shape)


def _own_masks(logits: Tensor, boxes: Tensor, classes: Tensor) -> Tensor:
    """The probabilities of each detection's own class.

    Shape:
        (K, C or 1, S, S), (K, 4), (K,) -> (K, S, S)
    """
    kinds = logits.shape[1]
    at = torch.arange(classes.shape[0], device=classes.device) * kinds
    return logits.flatten(0, 1)[at + classes if kinds > 1 else at].sigmoid()
