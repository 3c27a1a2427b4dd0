"""A disk that is full or gone, told in one line."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnest_dense.errors import ResNeStError

__all__ = ["faults_told"]

_OF_A_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EFBIG}


@contextmanager
def faults_told(folder: Path, *, quiet: str = "") -> Iterator[None]:
    """Around the training of a run in ``folder``: what its disk refuses is one line.

    Args:
        folder: of the run.
        quiet: a logger that would print the traceback of an error that is told.

    Raises:
        ResNeStError: the disk is full, the folder is gone, and the like.
    """
    def told(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, ResNeStError) and not _is_fault(error, folder)

    # A log that cannot be written is no reason for a traceback of each line.
    loud, logging.raiseExceptions = logging.raiseExceptions, False
    logger = logging.getLogger(quiet) if quiet else None
    if logger:
        logger.addFilter(told)
    try:
        yield
    except OSError as error:
        if not _is_fault(error, folder):
            raise
        raise ResNeStError(f"{folder} cannot be written: {error.strerror}. The checkpoints there "
                           "are as they were: mend that, and give --resume.") from error
    finally:
        logging.raiseExceptions = loud
        if logger:
            logger.removeFilter(told)


def _is_fault(error: BaseException | None, folder: Path) -> bool:
    return isinstance(error, OSError) and (error.errno in _OF_A_DISK or not folder.is_dir())
