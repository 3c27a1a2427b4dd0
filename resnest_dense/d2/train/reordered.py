"""A model measured on a set that has its classes in another order."""

import logging
from collections.abc import Sequence

import torch
from detectron2.evaluation import DatasetEvaluator
from detectron2.structures import Instances

from resnest_dense.d2.classes import Classes, order_in_set

__all__ = ["reorder_classes"]

_logger = logging.getLogger(__name__)


def reorder_classes(evaluator: DatasetEvaluator, trained: Classes | None,
                    name: str) -> DatasetEvaluator:
    """An evaluator of the registered set ``name`` for a model with the classes ``trained`` (None
    where they are not known): itself where the order is the same.

    Raises:
        ResNeStValueError: the set has other classes.
    """
    things, stuff = order_in_set(trained, name, source="the model")
    if trained is None or things is None and stuff is None:
        return evaluator
    _logger.info("Data set %s has the model's classes in another order: predictions are mapped to "
                 "it by name.", name)
    return _Reordered(evaluator, things or range(len(trained.names)),
                      stuff or range(len(trained.stuff_names)))


class _Reordered(DatasetEvaluator):
    """Passes the outputs of a model on, its class i as ``things[i]`` (of the detected ones) or
    ``stuff[i]`` (of the semantic head)."""

    def __init__(self, evaluator: DatasetEvaluator, things: Sequence[int],
                 stuff: Sequence[int]):
        self.evaluator = evaluator
        self._things, self._stuff = torch.tensor(list(things)), torch.tensor(list(stuff))

    def reset(self) -> None:
        self.evaluator.reset()

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        self.evaluator.process(inputs, [self._reorder(output) for output in outputs])

    def evaluate(self) -> dict | None:
        return self.evaluator.evaluate()

    def _reorder(self, output: dict) -> dict:
        output = dict(output)
        if "instances" in output:
            found = output["instances"]
            classes = self._things.to(found.pred_classes.device)[found.pred_classes]
            output["instances"] = Instances(
                found.image_size, **{**found.get_fields(), "pred_classes": classes})
        if "sem_seg" in output:  # (classes, H, W)
            output["sem_seg"] = output["sem_seg"][self._stuff.argsort()]
        if "panoptic_seg" in output:
            places, segments = output["panoptic_seg"]
            output["panoptic_seg"] = places, segments and [
                {**segment, "category_id": int((self._things if segment["isthing"]
                                                else self._stuff)[segment["category_id"]])}
                for segment in segments]
        return output
