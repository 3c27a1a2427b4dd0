"""What the interrupt handlers leave alone: the processes that others fork."""

import multiprocessing
import os
import signal
import time

from resnest_dense.base.interrupt import Interrupt
from resnest_dense.d2.train.hooks import SaveOnInterrupt


def _sleep(seconds):
    time.sleep(seconds)


def test_forked_workers_end_by_sigterm_and_ignore_ctrl_c():
    hook = SaveOnInterrupt(None, Interrupt())
    hook.before_train()
    try:
        workers = [multiprocessing.get_context("fork").Process(target=_sleep, args=(s,))
                   for s in (60, 2)]
        for worker, number in zip(workers, (signal.SIGTERM, signal.SIGINT)):
            worker.start()
            time.sleep(0.2)
            os.kill(worker.pid, number)
        for worker in workers:
            worker.join(20)
        assert [worker.exitcode for worker in workers] == [128 + signal.SIGTERM, 0]
    finally:
        hook.after_train()
