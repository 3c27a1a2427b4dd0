"""An interrupted run keeps what it has learned: a checkpoint after the iteration in progress."""

import logging
import os
import signal
import threading

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import HookBase
from detectron2.utils import comm

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
        self._signal = None
        self._previous = {}
        self._process = os.getpid()

    def before_train(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Only the main thread may handle signals.
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._remember)

    def after_step(self) -> None:
        if self._signal is None:
            return
        iteration = self.trainer.iter
        if comm.is_main_process():
            self.checkpointer.save(f"model_{iteration:07d}", iteration=iteration)
            _logger.warning(
                "Interrupted: saved after iteration %d in %s; --resume continues from there.",
                iteration, self.checkpointer.save_dir,
            )
        raise KeyboardInterrupt(signal.Signals(self._signal).name)

    def after_train(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _remember(self, number, frame) -> None:
        if os.getpid() != self._process:
            # A worker forked from this process. Ctrl-C in a terminal reaches it too, while its
            # batch is still wanted; SIGTERM is how pools (panopticapi's) end theirs.
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        if self._signal is not None:
            raise KeyboardInterrupt(signal.Signals(number).name)
        self._signal = number
        _logger.warning("Interrupted: the iteration in progress ends first, then it is saved.")
