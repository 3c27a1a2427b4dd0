"""A training run as a job of SLURM, by submitit: preempted, it saves, is queued again, goes on."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any
from uuid import uuid4

from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.training.processes.launch import TOKEN, find_launch

__all__ = ["Job", "submit"]

_GRACE = 30  # seconds for the iteration in progress, and its checkpoint


class Job:
    """What submitit calls in each process of a job, and pickles.

    Args:
        train: a training tool, which raises KeyboardInterrupt once SIGTERM has stopped it.
        words: its arguments.
    """

    def __init__(self, train: Callable[[Sequence[str]], Any], words: Sequence[str]):
        self._train = train
        self._words = list(words)
        self._token = uuid4().hex  # by which the run is known after it was queued again
        self._preempted = False

    def __call__(self) -> None:
        """Trains; on submitit's signal it has the tool stop after its iteration, and leaves the
        rest to submitit. An iteration that takes too long is given up for the last checkpoint."""
        import submitit

        find_launch()  # an error under torchrun
        os.environ[TOKEN] = self._token
        environment = submitit.JobEnvironment()
        if environment.num_tasks > 1:
            submitit.helpers.TorchDistributedEnvironment().export(
                set_cuda_visible_devices=False, overwrite=True)
        number, process = environment._usr_sig(), os.getpid()
        requeue: Any = signal.getsignal(number)

        def preempt(number: int, frame: FrameType | None) -> None:
            if not self._preempted and os.getpid() == process:  # none that loads images
                self._preempted = True
                signal.signal(signal.SIGALRM, lambda *_: requeue(number, frame))
                signal.alarm(_GRACE)
                signal.raise_signal(signal.SIGTERM)  # the tool's own way to stop

        signal.signal(number, preempt)
        try:
            self._train(self._words)
        except KeyboardInterrupt:
            if not self._preempted:
                raise
        signal.alarm(0)
        signal.signal(number, requeue)
        if self._preempted:
            requeue(number, None)  # in the first process this does not return
            sys.exit(0)

    def checkpoint(self) -> Any:
        """What submitit asks, in the first process, to run when the job starts again: the same,
        which finds the run that it has begun."""
        from submitit.helpers import DelayedSubmission

        self._preempted = False
        return DelayedSubmission(self)


def submit(job: Job, *, folder: str, cluster: str, more: Sequence[str] = (), **parameters: Any
           ) -> Any:
    """Hands a job to a cluster; gives submitit's own.

    Args:
        job: what it runs.
        folder: of submitit's logs, which all machines reach.
        cluster: "slurm" or "local".
        more: KEY=VALUE parameters of its executor, beside ``parameters``.

    Raises:
        ResNeStError: no SLURM here, or a parameter that it does not know.
    """
    import submitit

    for word in more:
        key, equals, value = word.partition("=")
        if not equals:
            raise ResNeStValueError(f"--set {word}: parameters are KEY=VALUE, as one word.")
        parameters[key] = int(value) if value.isdigit() else value
    try:
        executor = submitit.AutoExecutor(folder, cluster=cluster)
        executor.update_parameters(**parameters)
        return executor.submit(job)
    except (RuntimeError, NameError, ValueError, submitit.core.utils.FailedJobError) as error:
        raise ResNeStError(f"submitit cannot hand the job to {cluster}: {error}") from error
