"""Ctrl-C and SIGTERM for a training run that first wants to finish its iteration."""

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["Interrupt"]

_logger = logging.getLogger(__name__)


class Interrupt:
    """Remembers the first signal and lets the run go on; a second one stops it at once."""

    def __init__(self) -> None:
        self.name: str | None = None  # of the signal that came, such as "SIGINT"
        self._previous: dict[int, Any] = {}  # handlers
        self._process = os.getpid()

    def catch(self) -> None:
        """From now on; only the main thread may handle signals, elsewhere nothing changes."""
        if not self._previous and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._remember)

    def release(self) -> None:
        """Give the signals back to who handled them before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A worker forked from this process. Ctrl-C in a terminal reaches it too, and torchrun's
            # SIGTERM, while its batch is still wanted; loaders end theirs by another SIGTERM, pools
            # (panopticapi's) by the first.
            if number == signal.SIGTERM and (self.name == "SIGTERM" or not _loads_data()):
                os._exit(128 + number)
            self.name = signal.Signals(number).name
            return
        if self.name is not None:
            raise KeyboardInterrupt(signal.Signals(number).name)
        self.name = signal.Signals(number).name
        _logger.warning("Interrupted: the iteration in progress ends first, then it is saved.")


def _loads_data() -> bool:
    from torch.utils.data import get_worker_info  # only processes that train come here

    return get_worker_info() is not None
