"""What detectron2 itself does not do on a CPU, each fix with its reason and when it may go."""

import contextlib
from functools import partial

from detectron2.engine import defaults

__all__ = ["cpu_data_parallel"]


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
