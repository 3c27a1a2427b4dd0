"""Since when a process does nothing, as one that waits for a lock, a disk or a server."""

import os
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["Stillness"]

# Processor seconds, and the share of a processor, that threads take which only keep watch.
_WORK, _SHARE = 0.05, 0.005


class Stillness:
    """Asked at regular times, by one thread, whose own work does not count."""

    def __init__(self) -> None:
        self._line, self._worked, self._since = "", 0.0, 0.0

    def seconds(self, line: str) -> float:
        """How long this process has been at that line of code, neither working itself nor through
        processes that it has started; 0.0 where the system does not tell."""
        now = time.monotonic()
        try:
            worked = _worked(Path("/proc", str(os.getpid()))) - time.thread_time()
        except OSError:
            return 0.0
        most = _WORK + _SHARE * (now - self._since)
        if line != self._line or abs(worked - self._worked) > most:
            self._line, self._worked, self._since = line, worked, now
        return now - self._since


def _worked(process: Path) -> float:
    """Processor seconds of a process, of those below it, and of those that it has waited for."""
    ticks = process.joinpath("stat").read_text().rpartition(")")[2].split()[11:15]
    seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    for thread in process.joinpath("task").iterdir():
        for child in thread.joinpath("children").read_text().split():
            with suppress(OSError):  # it has ended meanwhile
                seconds += _worked(Path("/proc", child))
    return seconds
