"""The settings of a segmentor that follow from data and machine, for ``resnest-dense train``."""

from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from resnest_dense.config_errors import explained
from resnest_dense.mmseg.config import load_config
from resnest_dense.mmseg.run.named import NAMED, use_named
from resnest_dense.planning import rules
from resnest_dense.planning.facts import LabelFacts
from resnest_dense.planning.order import Order
from resnest_dense.planning.plan import Plan, Step

__all__ = ["plan_segmentor", "write_config"]

_BASES = {"fast": "resnest50_upernet_ade20k", "paper": "resnest50_deeplabv3_ade20k"}
_SMALL = "resnest14"  # the network of fast runs
_CHANNELS = 64  # of its head
_ADAM = (1e-3, 8)  # its rate, and the images that it is for
_SCALES = [0.75, 1.5]
_EVALUATIONS = {"fast": 4, "paper": 12}


def plan_segmentor(order: Order, facts: LabelFacts, step: Step) -> Plan:
    """The plan of a segmentor.

    Args:
        order: what is asked for.
        facts: of the set that is trained on.
        step: its images, and how long it takes where that is known.

    Raises:
        ResNeStValueError: no such model.
    """
    fast = order.preset == "fast"
    plan = Plan(order.base(_BASES[order.preset]))
    cfg = load_config(plan.config)
    if order.architecture or fast and order.model is None:
        plan.set("model.backbone.architecture", order.architecture or _SMALL,
                 "--model" if order.architecture else "the smallest network")
    if fast and order.model is None:
        plan.set("model.decode_head.channels", _CHANNELS, "as narrow as the network is small")
        plan.set("model.auxiliary_head", None, "a short run has no use for it")
    for head in ("decode_head", "auxiliary_head"):
        if isinstance(cfg.model.get(head), dict) and (head == "decode_head" or not plan.has(
                "model.auxiliary_head")):
            plan.set(f"model.{head}.num_classes", len(facts.shares), "names in the class list")
    _plan_images(plan, order, facts, cfg)
    if fast and isinstance(cfg.model.decode_head, dict):
        weights = rules.class_weights(facts.shares)
        plan.set("model.decode_head.loss_decode", dict(
            type="resnest_dense.WeightedCrossEntropyLoss", class_weight=weights.value),
            weights.reason)
    _plan_weights(plan, order)
    _plan_steps(plan, order, facts, cfg, step)
    return plan


def write_config(plan: Plan, path: Path) -> Path:
    """Writes a plan as a complete config of MMSegmentation.

    Raises:
        ResNeStValueError: a base that has no place for a setting.
    """
    cfg = load_config(plan.config)
    use_named(cfg, {key: value for key, value, _ in plan.settings if key in NAMED})
    with explained(plan.config):
        for key, value, _ in plan.settings:
            if key not in NAMED:
                _merge(cfg, key, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    cfg.dump(path)
    return path


def _merge(cfg: Config, key: str, value: Any) -> None:
    """Puts a value in, a dict in place of the whole one that is there."""
    if isinstance(value, dict):
        *parents, last = key.split(".")
        place = cfg
        for parent in parents:
            place = place[parent]
        place[last] = ConfigDict(value)
    else:
        cfg.merge_from_dict({key: value})


def _plan_images(plan: Plan, order: Order, facts: LabelFacts, cfg: Config) -> None:
    long = max(facts.width, facts.height)
    own, crop = _own_sizes(cfg)
    if order.image_size:
        side, reason = order.image_size, "--image-size, the longer side"
    elif order.preset == "fast":
        side, reason = rules.longer_side(long)
    else:
        side, reason = own, "the config's"
    if order.preset == "paper" and side == own:
        plan.size = (crop, crop)
        return
    plan.set("scale", [side, side], reason)
    plan.set("test_scale", [side, side], "as in training")
    if order.preset == "fast":
        plan.set("scale_range", _SCALES, "a short run learns less from very small and large images")
        plan.set("distortion", False, "nor from changed colours")
        crop = plan.derive("crop_size", rules.crop(side))
    else:
        crop = 32 * max(1, round(crop * side / own / 32))
        plan.set("crop_size", crop, f"the config's, for {side} instead of {own}, in steps of 32")
    plan.size = (crop, crop)


def _own_sizes(cfg: Config) -> tuple[int, int]:
    """Longer side of the images of a config, and the side of its crops."""
    steps = {step["type"]: step for step in cfg.train_dataloader.dataset.pipeline}
    scale = steps.get("RandomResize", {}).get("scale", (512, 512))
    crop = steps.get("RandomCrop", {}).get("crop_size", (512, 512))
    return max(scale), max(crop)


def _plan_weights(plan: Plan, order: Order) -> None:
    source, reason = rules.weights(order.preset, order.pretrained, order.architecture)
    if source:
        plan.set("model.backbone.init_cfg", None if source == "none" else
                 dict(type="Pretrained", checkpoint=source), reason)


def _plan_steps(plan: Plan, order: Order, facts: LabelFacts, cfg: Config, step: Step) -> None:
    plan.set("batch_size", step.batch // step.parts.value, step.batch_reason)
    if step.parts.value > 1 or cfg.get("accumulate", 1) > 1:
        plan.derive("accumulate", step.parts)
    iterations = plan.derive("iterations", rules.run_length(
        order.preset, order.epochs, facts.images, step.batch, step.seconds))
    if order.preset == "fast":
        rate = rules.learning_rate(_ADAM, step.batch)
        plan.set("optim_wrapper", dict(type="OptimWrapper", optimizer=dict(
            type="AdamW", lr=rate.value, weight_decay=0.01)), f"AdamW learns faster from random "
            f"weights; {rate.reason.replace('config', 'rule')}")
        warm = rules.warm_up(iterations)
        plan.set("param_scheduler", [
            dict(type="LinearLR", start_factor=0.05, begin=0, end=warm.value, by_epoch=False),
            dict(type="PolyLR", power=0.9, eta_min=0.0, begin=warm.value, end=iterations,
                 by_epoch=False)], f"rising in {warm.value} iterations, {warm.reason}")
    else:
        images = cfg.get("auto_scale_lr", {}).get("base_batch_size", 16)
        reference = (cfg.optim_wrapper.optimizer.lr, images)
        plan.derive("optim_wrapper.optimizer.lr", rules.learning_rate(reference, step.batch))
    plan.derive(("train_cfg.val_interval", "default_hooks.checkpoint.interval"),
                rules.evaluation_period(iterations, _EVALUATIONS[order.preset]))
    plan.set("default_hooks.logger.interval", min(50, max(1, iterations // 40)), "40 lines or so")
    plan.set("randomness.seed", order.seed, "--seed")
