"""``accumulate``: the batch of a recipe on devices that hold a part of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop
from torch import Tensor, nn

from resnest_dense.errors import ResNeStValueError
from resnest_dense.training.accumulation import parts_of, unsynced

__all__ = ["AccumulatingTrainLoop", "check_accumulation"]


def check_accumulation(cfg: Config) -> None:
    """Checks what a config says of accumulation: ``accumulate``, and mmengine's own counts, which
    take each part for an iteration.

    Raises:
        ResNeStValueError: a number that is none, both at once, training by epochs, or checkpoints
            between the parts of a step.
    """
    parts = cfg.get("accumulate", 1)
    counts = (cfg.get("optim_wrapper") or {}).get("accumulative_counts", 1)
    if not isinstance(parts, int) or isinstance(parts, bool) or parts < 1:
        raise ResNeStValueError(f"accumulate={parts!r}: give a whole number of at least 1.")
    if parts > 1 and counts > 1:
        raise ResNeStValueError(f"accumulate={parts} and optim_wrapper.accumulative_counts={counts}"
                                " do the same: set one of them.")
    if parts > 1 and not ("max_iters" in cfg.train_cfg and "batch_size" in cfg.train_dataloader):
        raise ResNeStValueError(f"accumulate={parts}: it is for training by iterations, with "
                                "train_cfg.max_iters and train_dataloader.batch_size.")
    period = (cfg.get("default_hooks") or {}).get("checkpoint", {}).get("interval", -1)
    if counts > 1 and period > 0 and period % counts:
        raise ResNeStValueError(
            f"default_hooks.checkpoint.interval={period} is no multiple of optim_wrapper."
            f"accumulative_counts={counts}: gradients of a step that is not done would be lost. "
            f"Give a multiple, or accumulate={counts} in its place.")


class AccumulatingTrainLoop(IterBasedTrainLoop):
    """mmengine's by iterations, whose batches go through the model in parts. An iteration is a step
    of the optimizer, as without; the gradient is the mean of the parts', clipped once.

    Args:
        args: of mmengine's loop.
        parts: of each batch.
        options: of mmengine's loop.
    """

    def __init__(self, *args: Any, parts: int, **options: Any):
        super().__init__(*args, **options)
        self.parts = parts

    def run_iter(self, data_batch: dict) -> None:
        runner, place = self.runner, dict(batch_idx=self._iter, data_batch=data_batch)
        runner.call_hook("before_train_iter", **place)
        runner.call_hook("after_train_iter", **place, outputs=self._step(data_batch))
        self._iter += 1

    def _step(self, batch: dict) -> dict[str, Tensor]:
        images, means = len(batch["inputs"]), dict[str, Tensor]()
        places = parts_of(images, self.parts)
        for place in places:
            share = (place.stop - place.start) / images
            values = self.runner.model.train_step(
                {key: value[place] for key, value in batch.items()},
                optim_wrapper=_Part(self.runner.optim_wrapper, share, place is places[-1]))
            for name, value in values.items():
                means[name] = means.get(name, 0) + value.detach() * share
        return means


class _Part:
    """What a model takes for its optimizer in a part of a batch: the step comes with the last."""

    def __init__(self, wrapper: OptimWrapper, share: float, last: bool):
        self._wrapper = wrapper
        self._share = share
        self._last = last

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with unsynced(model, not self._last), self._wrapper.optim_context(model):
            yield

    def update_params(self, loss: Tensor) -> None:
        self._wrapper.backward(loss * self._share)
        if self._last:
            self._wrapper.step()
            self._wrapper.zero_grad()
