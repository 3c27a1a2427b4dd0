"""A disk that is full or gone, and workers that end while a model is measured, told in one line."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnest_dense.errors import ResNeStError
from resnest_dense.training.loading import LOST, lost_worker, out_of_shared_memory

__all__ = ["faults_told"]

_OF_A_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EFBIG}


@contextmanager
def faults_told(folder: Path, *, quiet: str = "") -> Iterator[None]:
    """Around the training of a run in ``folder``: what its disk refuses is one line, and so is what
    ends the workers of an evaluation.

    Args:
        folder: of the run.
        quiet: a logger that would print the traceback of an error that is told.

    Raises:
        ResNeStError: the disk is full, the folder is gone, a worker was killed, and the like.
    """
    def told(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, ResNeStError) and not _tell(error, folder)

    # A log that cannot be written is no reason for a traceback of each line.
    loud, logging.raiseExceptions = logging.raiseExceptions, False
    logger = logging.getLogger(quiet) if quiet else None
    if logger:
        logger.addFilter(told)
    try:
        yield
    except (OSError, *LOST) as error:
        line = _tell(error, folder)
        if not line:
            raise
        raise ResNeStError(line) from error
    finally:
        logging.raiseExceptions = loud
        if logger:
            logger.removeFilter(told)


def _tell(error: BaseException | None, folder: Path) -> str:
    """What to say of an error; "" if it is none of these."""
    if isinstance(error, OSError) and (error.errno in _OF_A_DISK or not folder.is_dir()):
        return (f"{folder} cannot be written: {error.strerror}. The checkpoints there are as they "
                "were: mend that, and give --resume.")
    if full := out_of_shared_memory(str(error)) if isinstance(error, RuntimeError) else "":
        return full
    if lost := lost_worker(error):
        return (f"{lost[1]} while a model was measured, perhaps by the system, for want of memory: "
                "take fewer workers, and give --resume.")
    return ""
