"""How far what a file gives is from what the model gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional as F

from resnest_dense.runtime.contract import Contract

__all__ = ["Difference", "compare", "limits_of"]

Arrays = Mapping[str, np.ndarray]
# Pixels within which a box is taken for the same one.
_NEAR = {"float32": 1.0, "float16": 1.0, "int8": 8.0}


@dataclass
class Difference:
    """What was found on the way through all batches.

    ``worst`` holds by the name of a measure the largest difference (of "IoU" and "share": the
    smallest value), ``compared`` how many detections, pixels or values of features there were.
    """

    worst: dict[str, float] = field(default_factory=dict)
    compared: int = 0
    unmatched: int = 0

    def note(self, name: str, value: float) -> None:
        """Keeps the worse one."""
        worse = min if name in _SHARES else max
        self.worst[name] = worse(self.worst.get(name, value), value)

    def failures(self, limits: Mapping[str, float]) -> list[str]:
        """What is beyond ``limits``, in words."""
        beyond = [f"{name} {self.worst[name]:.3g}, where {limit:g} is the limit"
                  for name, limit in limits.items() if name in self.worst and not (
                      self.worst[name] >= limit if name in _SHARES else self.worst[name] <= limit)]
        if self.unmatched > limits.get("unmatched", 0) * self.compared:
            beyond.append(f"{self.unmatched} of {self.compared} detections without a partner")
        return beyond


_SHARES = ("mask IoU", "label share")
_FLOAT32 = {"box px": 1e-3, "score": 1e-4, "mask IoU": 0.999, "keypoint px": 1.0,
            "label share": 0.999, "features": 1e-3, "unmatched": 0.01}
# Weights are rounded to 11 bits: what is near a threshold may fall on its other side.
_FLOAT16 = {"box px": 1.0, "score": 0.02, "mask IoU": 0.95, "keypoint px": 4.0,
            "label share": 0.99, "features": 0.05, "unmatched": 0.1}
# What this costs is for a validation set to say; here is seen that it is the same model.
_INT8 = {"label share": 0.8, "features": 0.5, "unmatched": 0.5}


def limits_of(precision: str) -> Mapping[str, float]:
    """The greatest differences that pass."""
    return {"float32": _FLOAT32, "float16": _FLOAT16, "int8": _INT8}[precision]


def compare(found: Arrays, expected: Arrays, contract: Contract, difference: Difference) -> None:
    """Adds the difference of one batch.

    Args:
        found: outputs of the file.
        expected: those of the model in torch.
        contract: what the outputs are.
        difference: changed in place.
    """
    _COMPARE[contract.task](found, expected, contract, difference)


def _compare_detections(found: Arrays, expected: Arrays, contract: Contract,
                        difference: Difference) -> None:
    assert contract.thresholds is not None
    free = np.ones(len(found["boxes"]), bool)
    for i, box in enumerate(expected["boxes"]):
        difference.compared += 1
        same = free & (found["image_index"] == expected["image_index"][i]) & (
            found["classes"] == expected["classes"][i])
        distance = np.abs(found["boxes"] - box).max(1, initial=0)
        near = np.flatnonzero(same & (distance <= _NEAR[contract.precision]))
        if not len(near):
            # At the threshold a rounding decides.
            difference.unmatched += int(
                expected["scores"][i] > contract.thresholds.score + 1e-3)
            continue
        j = near[np.abs(found["scores"][near] - expected["scores"][i]).argmin()]
        free[j] = False
        difference.note("box px", float(distance[j]))
        difference.note("score", float(abs(found["scores"][j] - expected["scores"][i])))
        if "keypoints" in expected:
            apart = np.abs(found["keypoints"][j] - expected["keypoints"][i])[:, :2]
            difference.note("keypoint px", float(np.quantile(apart, 0.9)))
    difference.unmatched += int((free & (found["scores"] > contract.thresholds.score + 1e-3)).sum())
    if "masks" in expected and len(expected["masks"]) == len(found["masks"]):
        difference.note("mask IoU", _mask_overlap(found, expected, _NEAR[contract.precision]))
    if "semantic" in expected:
        _compare_maps("semantic", found, expected, contract, difference)


def _mask_overlap(found: Arrays, expected: Arrays, near: float) -> float:
    """Intersection over union of all masks of a batch, of detections in the same order."""
    order = np.abs(found["boxes"] - expected["boxes"]).max(1, initial=0) <= near
    ours, theirs = (values["masks"][order] >= 0.5 for values in (found, expected))
    union = (ours | theirs).sum()
    return float((ours & theirs).sum() / union) if union else 1.0


def _compare_maps(name: str, found: Arrays, expected: Arrays, contract: Contract,
                  difference: Difference) -> None:
    ours, theirs = (F.interpolate(torch.from_numpy(np.ascontiguousarray(values[name])),
                                  scale_factor=4, mode="bilinear",
                                  align_corners=contract.align_corners).argmax(1)
                    for values in (found, expected))
    difference.compared += ours.numel()
    difference.note("label share", (ours == theirs).float().mean().item())


def _compare_labels(found: Arrays, expected: Arrays, contract: Contract,
                    difference: Difference) -> None:
    _compare_maps("logits", found, expected, contract, difference)


def _compare_features(found: Arrays, expected: Arrays, contract: Contract,
                      difference: Difference) -> None:
    for name, values in expected.items():
        difference.compared += values.size
        scale = float(np.abs(values).max(initial=1e-6))
        difference.note("features", float(np.abs(found[name] - values).max(initial=0)) / scale)


_COMPARE: dict[str, Callable[[Arrays, Arrays, Contract, Difference], None]] = {
    "detect": _compare_detections, "panoptic": _compare_detections,
    "segment": _compare_labels, "features": _compare_features}
