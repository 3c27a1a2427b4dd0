"""The settings of a detector that follow from data and machine, for ``resnest-dense train``."""

import math
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from detectron2.config import CfgNode

from resnest_dense.configs import find_config
from resnest_dense.d2.config import load_yaml_config
from resnest_dense.errors import ResNeStValueError
from resnest_dense.planning import rules
from resnest_dense.planning.facts import BoxFacts
from resnest_dense.planning.order import Order
from resnest_dense.planning.plan import Plan, Step

__all__ = ["plan_detector", "write_config"]

_MINI = "resnest14_mask_rcnn_mini.yaml"
_BASES = {
    "fast": dict.fromkeys(("detect", "segment-instances", "panoptic"), _MINI),
    "paper": {"detect": "resnest50_faster_rcnn.yaml",
              "segment-instances": "resnest50_mask_rcnn.yaml",
              "panoptic": "resnest200_panoptic_fpn_tricks_3x.yaml"}}
_EVALUATIONS = {"fast": 3, "paper": 10}
# A Panoptic FPN of the small network; its thing and stuff heads are as narrow.
_SMALL_PANOPTIC: dict[str, Any] = {
    "MODEL.META_ARCHITECTURE": "PanopticFPN", "MODEL.SEM_SEG_HEAD.IN_FEATURES": ["p3", "p4", "p5"],
    "MODEL.SEM_SEG_HEAD.CONVS_DIM": 64, "MODEL.SEM_SEG_HEAD.COMMON_STRIDE": 8,
    "MODEL.SEM_SEG_HEAD.NORM": "BN", "MODEL.SEM_SEG_HEAD.LOSS_WEIGHT": 0.5,
    "DATALOADER.FILTER_EMPTY_ANNOTATIONS": False}


def plan_detector(order: Order, facts: BoxFacts, step: Step) -> Plan:
    """The plan of a detector.

    Args:
        order: what is asked for.
        facts: of the set that is trained on.
        step: its images, and how long it takes where that is known.

    Raises:
        ResNeStValueError: no such model, or one in a LazyConfig.
    """
    plan = Plan(order.base(_BASES[order.preset][order.task]))
    path = find_config(plan.config, "detectron2")
    if path.suffix == ".py":
        raise ResNeStValueError(f"--model {order.model} is a LazyConfig, which detectron2's own "
                                "tool trains (docs/detection.md): name a YAML config.")
    cfg = load_yaml_config(path)
    small = path.name == _MINI
    if order.architecture:
        plan.set("MODEL.RESNETS.ARCHITECTURE", order.architecture, "--model")
    if small and order.task == "panoptic":
        for key, value in _SMALL_PANOPTIC.items():
            plan.set(key, value, "--task panoptic with the small network")
    masks = order.task != "detect"
    plan.set("MODEL.MASK_ON", masks, f"--task {order.task}")
    if masks and facts.coded:
        plan.set("INPUT.MASK_FORMAT", "bitmask", "some masks are run-length coded")
    scale = _plan_images(plan, order, facts, cfg)
    _plan_boxes(plan, order, facts, cfg, scale)
    _plan_weights(plan, order)
    _plan_steps(plan, order, facts, cfg, step)
    return plan


def write_config(plan: Plan, path: Path) -> Path:
    """Writes a plan as a YAML config of detectron2."""
    content: dict[str, Any] = {"_BASE_": str(find_config(plan.config, "detectron2").resolve())}
    for key, value, _ in plan.settings:
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def _plan_images(plan: Plan, order: Order, facts: BoxFacts, cfg: CfgNode) -> float:
    """Sizes of the images; by how much they are scaled."""
    short, long = sorted((facts.width, facts.height))
    own = cfg.INPUT.MIN_SIZE_TEST
    if order.image_size:
        side = rules.Derived(order.image_size, "--image-size")
    elif order.preset == "fast":
        side = rules.shorter_side(facts.smallest, short)
    else:
        side = rules.Derived(own, "the config's")
    longest = math.ceil(side.value * (long / short if order.preset == "fast" else
                                      cfg.INPUT.MAX_SIZE_TEST / own))
    if order.preset == "fast":
        plan.set("INPUT.MIN_SIZE_TRAIN", [side.value], side.reason)
    elif side.value != own:
        sizes = [round(size * side.value / own) for size in cfg.INPUT.MIN_SIZE_TRAIN]
        plan.set("INPUT.MIN_SIZE_TRAIN", sizes, f"the config's, for {side.value} instead of {own}")
    plan.set("INPUT.MIN_SIZE_TEST", side.value, side.reason)
    for key in ("INPUT.MAX_SIZE_TRAIN", "INPUT.MAX_SIZE_TEST"):
        plan.set(key, longest, f"as long as images of {facts.width:.0f}x{facts.height:.0f} are then"
                 if order.preset == "fast" else "as long as the config's for its shorter side")
    plan.size = (side.value, longest)
    return min(side.value / short, longest / long)


def _plan_boxes(plan: Plan, order: Order, facts: BoxFacts, cfg: CfgNode, scale: float) -> None:
    """Anchors and proposals."""
    sizes = cfg.MODEL.ANCHOR_GENERATOR.SIZES
    smallest, largest = facts.smallest * scale, facts.largest * scale
    if order.preset == "fast" and all(len(level) == 1 for level in sizes):
        stride = 2 ** int(cfg.MODEL.RPN.IN_FEATURES[0][1:])
        anchors = rules.anchor_sizes(smallest, largest, len(sizes), stride)
    else:
        anchors = rules.pyramid_anchors(sizes, smallest)
    plan.derive("MODEL.ANCHOR_GENERATOR.SIZES", anchors)
    if order.preset == "fast":
        proposals = rules.proposals(facts.most)
        count = plan.derive(("MODEL.RPN.POST_NMS_TOPK_TRAIN", "MODEL.RPN.POST_NMS_TOPK_TEST"),
                            proposals)
        for key in ("MODEL.RPN.PRE_NMS_TOPK_TRAIN", "MODEL.RPN.PRE_NMS_TOPK_TEST"):
            plan.set(key, 4 * count, "four times the proposals that are kept")
        plan.set("MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", count // 2, "half of the proposals")
    if facts.most > cfg.TEST.DETECTIONS_PER_IMAGE:
        plan.set("TEST.DETECTIONS_PER_IMAGE", 2 * facts.most,
                 f"an image has up to {facts.most} objects")


def _plan_weights(plan: Plan, order: Order) -> None:
    start = rules.weights(order.preset, order.pretrained, order.architecture)
    if start.value == "none":
        plan.set("MODEL.WEIGHTS", "", start.reason)
        plan.set("MODEL.BACKBONE.FREEZE_AT", 0, "random weights must not stay frozen")
    elif start.value:
        plan.derive("MODEL.WEIGHTS", start)


def _plan_steps(plan: Plan, order: Order, facts: BoxFacts, cfg: CfgNode, step: Step) -> None:
    solver = cfg.SOLVER
    plan.set("SOLVER.IMS_PER_BATCH", step.batch, step.batch_reason)
    if step.parts.value > 1 or solver.ACCUMULATE > 1:
        plan.derive("SOLVER.ACCUMULATE", step.parts)
    plan.derive("SOLVER.BASE_LR",
                rules.learning_rate((solver.BASE_LR, solver.IMS_PER_BATCH), step.batch))
    iterations = plan.derive("SOLVER.MAX_ITER", rules.run_length(
        order.preset, order.epochs, facts.images, step.batch, step.seconds))
    plan.derive("SOLVER.WARMUP_ITERS", rules.warm_up(iterations))
    if solver.STEPS and solver.LR_SCHEDULER_NAME == "WarmupMultiStepLR":
        plan.derive("SOLVER.STEPS", rules.steps(iterations))
    plan.derive(("TEST.EVAL_PERIOD", "SOLVER.CHECKPOINT_PERIOD"),
                rules.evaluation_period(iterations, _EVALUATIONS[order.preset]))
    if cfg.TEST.PRECISE_BN.ENABLED:
        batches = max(1, facts.images // step.batch)
        plan.set("TEST.PRECISE_BN.NUM_ITER", min(cfg.TEST.PRECISE_BN.NUM_ITER, batches),
                 "one pass over the images at most")
    plan.set("SEED", order.seed, "--seed")
