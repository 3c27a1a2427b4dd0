"""A trained detector as what is exported."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import detectron2.data.transforms as T
import torch
from detectron2.data import DatasetCatalog
from detectron2.modeling import FPN, GeneralizedRCNN, PanopticFPN, RetinaNet
from detectron2.modeling.roi_heads import CascadeROIHeads, StandardROIHeads
from detectron2.structures import ImageList, Instances
from torch import Tensor, nn

from resnest_dense.d2.classes import Classes
from resnest_dense.d2.export.detector import DenseGraph, RCNNGraph, clip
from resnest_dense.d2.predict.predictor import DetectionPredictor
from resnest_dense.errors import ResNeStError
from resnest_dense.exporting.backbone import Features
from resnest_dense.exporting.subject import Options, Subject, input_of, normalised
from resnest_dense.inference.fuse import fuse
from resnest_dense.runtime import contract as parts
from resnest_dense.runtime.contract import Contract, Panoptic, Resize, Thresholds

__all__ = ["make_subject"]


def make_subject(config: str, checkpoint: str, options: Options) -> Subject:
    """The detector, or its backbone with the pyramid, that a config and a checkpoint describe.

    Raises:
        ResNeStError: as :class:`DetectionPredictor`, or a detector of another kind than an R-CNN, a
            Panoptic FPN or a RetinaNet.
    """
    predictor = DetectionPredictor(config, checkpoint, device="cpu", threshold=options.score,
                                   classes=options.classes)
    model: Any = predictor.model
    pyramid = "pyramid" if isinstance(model.backbone, FPN) else "backbone"
    family = pyramid if options.backbone else _family(model)
    thresholds = None if options.backbone else _set_thresholds(model, options)
    contract = _contract(predictor, family, thresholds, options)
    pictures = _pictures(predictor.datasets)
    training = partial(_pictures, predictor.datasets[::-1])
    inner: Any = fuse(model) if options.fused else model
    if thresholds is None:
        names = tuple(model.backbone.output_shape())
        return Subject(family, normalised(Features(inner.backbone, names), contract), names,
                       contract, Features(model.backbone, names), pictures, training)
    dense = family == "retinanet"
    graph = (DenseGraph if dense else RCNNGraph)(inner, thresholds).eval()
    outputs = ["boxes", "scores", "classes", "image_index"]
    heads: Any = getattr(model, "roi_heads", None)
    outputs += ["masks"] * getattr(heads, "mask_on", False)
    outputs += ["keypoints"] * getattr(heads, "keypoint_on", False)
    outputs += ["semantic"] * isinstance(model, PanopticFPN)
    return Subject(family, normalised(graph, contract), tuple(outputs), contract,
                   _run_dense(model) if dense else _run_rcnn(model), pictures, training)


def _family(model: nn.Module) -> str:
    heads = getattr(model, "roi_heads", None)
    if isinstance(model, RetinaNet):
        return "retinanet"
    if isinstance(model, GeneralizedRCNN) and isinstance(heads, StandardROIHeads):
        if isinstance(model, PanopticFPN):
            return "panoptic_fpn"
        if heads.keypoint_on:
            return "keypoint_rcnn"
        kind = "cascade" if isinstance(heads, CascadeROIHeads) else ""
        return "_".join(part for part in (kind, "mask" * heads.mask_on, "rcnn") if part) if (
            kind or heads.mask_on) else "faster_rcnn"
    raise ResNeStError(
        f"A {type(model).__name__} with {type(heads).__name__} cannot be exported: an R-CNN, a "
        "Panoptic FPN or a RetinaNet can. Export its backbone alone by --backbone.")


def _set_thresholds(model: Any, options: Options) -> Thresholds:
    """Those of the options, or else the model's own, which are set in the model too."""
    if isinstance(model, RetinaNet):
        owners, detections = [model], "max_detections_per_image"
    else:
        predictor = model.roi_heads.box_predictor
        owners = [*predictor] if isinstance(predictor, nn.ModuleList) else [predictor]
        detections = "test_topk_per_image"
    given = {"test_score_thresh": options.score, "test_nms_thresh": options.suppression,
             detections: options.detections}
    for owner in owners:
        for name, value in given.items():
            if value is not None:
                setattr(owner, name, value)
    last = owners[-1]
    return Thresholds(last.test_score_thresh, last.test_nms_thresh, getattr(last, detections))


def _contract(predictor: DetectionPredictor, family: str, thresholds: Thresholds | None,
              options: Options) -> Contract:
    model: Any = predictor.model
    mean, std = (values.flatten().tolist() for values in (model.pixel_mean, model.pixel_std))
    panoptic = Panoptic(model.combine_overlap_thresh, model.combine_stuff_area_thresh,
                        model.combine_instances_score_thresh) if family == "panoptic_fpn" else None
    task: Any = "features" if thresholds is None else "panoptic" if panoptic else "detect"
    return Contract(
        task=task, classes=_classes(predictor.classes), resize=_resize(predictor.augmentations),
        thresholds=thresholds, panoptic=panoptic,
        size_divisor=model.backbone.size_divisibility or 1,
        **input_of(predictor.format, mean, std, options))


def _classes(classes: Classes) -> parts.Classes:
    drawing = classes.drawing
    points = drawing.get("keypoint_names") or ()
    number = {name: i for i, name in enumerate(points)}
    rules = drawing.get("keypoint_connection_rules") or ()
    return parts.Classes(
        classes.ids, classes.names, _colours(drawing.get("thing_colors"), classes.names),
        classes.stuff_ids, classes.stuff_names,
        _colours(drawing.get("stuff_colors"), classes.stuff_names), tuple(points),
        tuple((number[one], number[other]) for one, other, *_ in rules))


def _colours(colours: Any, names: Sequence[str]) -> tuple[parts.Colour, ...]:
    fits = colours is not None and len(colours) == len(names)
    return tuple((int(r), int(g), int(b)) for r, g, b in colours) if fits else ()


def _resize(augmentations: T.AugmentationList) -> Resize:
    if not augmentations.augs:
        return Resize("none")
    [augmentation, *others] = augmentations.augs
    short = getattr(augmentation, "short_edge_length", None)
    if short is None or others:
        raise ResNeStError(f"Test images go through {augmentations}, which a file cannot say: "
                           "exported models resize by ResizeShortestEdge alone.")
    return Resize("shortest", (short if isinstance(short, int) else max(short),
                               augmentation.max_size))


def _pictures(datasets: Sequence[str]) -> list[Path]:
    for name in datasets:
        try:
            return [Path(entry["file_name"]) for entry in DatasetCatalog.get(name)]
        except Exception:  # not registered, or not there: whatever the loader of a set raises
            continue
    return []


def _run_rcnn(model: Any) -> Callable[[Tensor, Tensor], tuple[Tensor, ...]]:
    """detectron2's own inference."""

    def run(images: Tensor, sizes: Tensor) -> tuple[Tensor, ...]:
        listed = ImageList(images, [tuple(size) for size in sizes.tolist()])
        features = model.backbone(images)
        proposals, _ = model.proposal_generator(listed, features, None)
        found, _ = model.roi_heads(listed, features, proposals, None)
        outputs = _join(found)
        for name in ("pred_masks", "pred_keypoints"):
            if found[0].has(name):
                values = torch.cat([one.get(name) for one in found])
                outputs.append(values[:, 0] if name == "pred_masks" else values)
        if isinstance(model, PanopticFPN):
            outputs.append(model.sem_seg_head.layers(features))
        return tuple(outputs)

    return run


def _run_dense(model: Any) -> Callable[[Tensor, Tensor], tuple[Tensor, ...]]:
    def run(images: Tensor, sizes: Tensor) -> tuple[Tensor, ...]:
        listed = ImageList(images, [tuple(size) for size in sizes.tolist()])
        features = model.backbone(images)
        maps = [features[name] for name in model.head_in_features]
        boxes, *others = _join(model.forward_inference(listed, maps, model.head(maps)))
        return clip(boxes[:, None], sizes[others[-1]])[:, 0], *others

    return run


def _join(found: Sequence[Instances]) -> list[Tensor]:
    image = [torch.full((len(one),), number) for number, one in enumerate(found)]
    return [torch.cat([one.pred_boxes.tensor for one in found]),
            torch.cat([one.scores for one in found]),
            torch.cat([one.pred_classes for one in found]), torch.cat(image)]
