"""Processes that are killed in tests: forked, so that they have all that is imported."""

import os
import signal

from forks import call_in_fork


def run_in_child(function, *args):
    """What became of a call in a process of its own: its exit code, or minus the signal."""
    code, said = call_in_fork(lambda: function(*args))
    print(said)
    return code


def kill_at_call(number, function):
    """``function``, whose call of that number is the end of the process."""
    calls = []

    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return counted


def same(one, other):
    """Whether two states are the same, bit for bit."""
    if hasattr(one, "shape"):
        return one.dtype == other.dtype and bool((one == other).all())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def assert_same_step(one, two):
    """That two runs have found the same statistics of batch norms and the same gradients in a step
    of SGD, of which its state tells. Rounding lets an activation be zero for one of them alone.

    Args:
        one: the weights of a run, and the state of its optimizer.
        two: those of the other.
    """
    statistics = [{name: value for name, value in weights.items() if "running" in name}
                  for weights, _ in (one, two)]
    gradients = [{number: kept["momentum_buffer"] for number, kept in optimizer["state"].items()}
                 for _, optimizer in (one, two)]
    for (ours, theirs), share in ((statistics, 0.001), (gradients, 0.05)):
        assert ours and ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert float((theirs[name] - value).norm()) <= share * float(value.norm()), name
