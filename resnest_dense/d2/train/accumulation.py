"""``SOLVER.ACCUMULATE``: the batch of a recipe on devices that hold a part of it."""

import time

import torch
from detectron2.config import CfgNode
from detectron2.engine import SimpleTrainer
from torch import Tensor

from resnest_dense.errors import ResNeStValueError, listed
from resnest_dense.training.accumulation import parts_of, unsynced

__all__ = ["AccumulatingTrainer", "check_accumulation"]


def check_accumulation(cfg: CfgNode, *, processes: int = 1) -> None:
    """Compares ``SOLVER.ACCUMULATE`` with the images of a step.

    Args:
        cfg: of the run.
        processes: that train together.

    Raises:
        ResNeStValueError: the images are no whole number of equal parts.
    """
    parts, images = cfg.SOLVER.ACCUMULATE, cfg.SOLVER.IMS_PER_BATCH
    if parts >= 1 and images % (parts * processes) == 0 or parts == 1:
        return  # of one part a device, detectron2 says so itself
    own = images // processes
    fitting = [number for number in range(1, own + 1) if own % number == 0]
    raise ResNeStValueError(
        f"SOLVER.ACCUMULATE {parts}: the {images} images of a step (SOLVER.IMS_PER_BATCH) are not "
        f"{parts} equal parts on each of {processes} devices. Give one of {listed(fitting)}.")


class AccumulatingTrainer(SimpleTrainer):
    """The inner loop of a trainer, whose batch goes through the model in parts. Batches, iterations
    and schedule are as without; the gradient is the mean of the parts', clipped once.

    Args:
        stock: the loop whose place it takes, in mixed precision or not.
        parts: of each batch.
    """

    def __init__(self, stock: SimpleTrainer, parts: int):
        super().__init__(stock.model, stock.data_loader, stock.optimizer,
                         stock.gather_metric_period)
        self.parts = parts
        self.grad_scaler = getattr(stock, "grad_scaler", None)
        self.precision = getattr(stock, "precision", None)
        self._scaler = self.grad_scaler or torch.amp.GradScaler(enabled=False)

    def run_step(self) -> None:
        start = time.perf_counter()
        batch = next(self._data_loader_iter)
        data_time = time.perf_counter() - start
        self.optimizer.zero_grad()
        means: dict[str, Tensor] = {}
        places = parts_of(len(batch), self.parts)
        for place in places:
            part = batch[place]
            share = len(part) / len(batch)
            with unsynced(self.model, place is not places[-1]):
                for name, loss in self._learn(part, share).items():
                    means[name] = means.get(name, 0) + loss.detach() * share
            self.after_backward()
        self._write_metrics(means, data_time)
        self._scaler.step(self.optimizer)
        self._scaler.update()

    def _learn(self, part: list[dict], share: float) -> dict[str, Tensor]:
        device = next(self.model.parameters()).device.type
        with torch.autocast(device, self.precision, enabled=self.precision is not None):
            losses = self.model(part)
        if isinstance(losses, Tensor):
            losses = {"total_loss": losses}
        self._scaler.scale(sum(losses.values()) * share).backward()
        return losses

    def state_dict(self) -> dict:
        scaler = {"grad_scaler": self.grad_scaler.state_dict()} if self.grad_scaler else {}
        return {**super().state_dict(), **scaler}

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        if self.grad_scaler:
            self.grad_scaler.load_state_dict(state_dict["grad_scaler"])
