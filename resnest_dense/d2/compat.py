"""What detectron2 itself does not do on a CPU, each fix with its reason and when it may go."""

import contextlib
from functools import partial

from detectron2.engine import defaults
from torch import nn

from resnest_dense.nn.norm import SyncBatchNorm

__all__ = ["cpu_data_parallel", "cpu_sync_batch_norms"]


@contextlib.contextmanager
def cpu_data_parallel():
    """Inside: detectron2's DefaultTrainer can be built in several CPU processes.

    Its ``create_ddp_model`` passes the process's rank as a CUDA device, which torch refuses for a
    model on the CPU. Needed by every detectron2 so far (0.6, sources of 2026-06); it may go
    when ``create_ddp_model`` leaves ``device_ids`` out on a CPU.
    """
    stock = defaults.create_ddp_model
    defaults.create_ddp_model = partial(stock, device_ids=None)
    try:
        yield
    finally:
        defaults.create_ddp_model = stock


def cpu_sync_batch_norms(model: nn.Module) -> nn.Module:
    """``model`` with each ``torch.nn.SyncBatchNorm`` in it replaced by ours, names unchanged.

    detectron2's FPN and heads use torch's layer, which torch refuses to train on a CPU in several
    processes (all versions to 2.11).
    """
    for name, child in model.named_children():
        if isinstance(child, nn.SyncBatchNorm):
            ours = SyncBatchNorm(child.num_features, child.eps, child.momentum)
            ours.load_state_dict(child.state_dict())
            setattr(model, name, ours)
        else:
            cpu_sync_batch_norms(child)
    return model
