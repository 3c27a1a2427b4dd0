"""An interrupted run keeps what it has learned: a checkpoint after the iteration in progress."""

import logging

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import HookBase
from detectron2.utils import comm

from resnest_dense.interrupt import Interrupt

__all__ = ["SaveOnInterrupt"]

_logger = logging.getLogger(__name__)


class SaveOnInterrupt(HookBase):
    """On Ctrl-C or SIGTERM: finish the iteration, save a checkpoint, stop. A second signal stops at
    once, without saving.

    Args:
        checkpointer: writes the file; ``--resume`` continues from it.
    """

    def __init__(self, checkpointer: DetectionCheckpointer):
        self.checkpointer = checkpointer
        self._interrupt = Interrupt()

    def before_train(self) -> None:
        self._interrupt.catch()

    def after_step(self) -> None:
        if self._interrupt.name is None:
            return
        iteration = self.trainer.iter
        if comm.is_main_process():
            self.checkpointer.save(f"model_{iteration:07d}", iteration=iteration)
            _logger.warning(
                "Interrupted: saved after iteration %d in %s; --resume continues from there.",
                iteration, self.checkpointer.save_dir,
            )
        raise KeyboardInterrupt(self._interrupt.name)

    def after_train(self) -> None:
        self._interrupt.release()
