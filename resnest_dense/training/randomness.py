"""Random numbers by place, not by history: what was drawn before makes no difference."""

import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["draw_seed", "seed_all", "seeded"]


def draw_seed() -> int:
    """A seed for a run that was given none."""
    return secrets.randbelow(2**31)


def seed_all(seed: int, *place: int) -> None:
    """Seeds Python's, numpy's and torch's generators, torch's on every device, for one ``place`` of
    a run: an iteration and a process, for example. All numbers are 0 or more."""
    torch.manual_seed(_seed_host(seed, place))


@contextmanager
def seeded(seed: int, *place: int) -> Iterator[None]:
    """Inside, the generators of the CPU are those of ``place``; afterwards they go on as before."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    torch.default_generator.manual_seed(_seed_host(seed, place))
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def _seed_host(seed: int, place: tuple[int, ...]) -> int:
    """Seeds Python and numpy, and returns a seed for torch; all differ, and so do near places."""
    words = np.random.SeedSequence([seed, *place]).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    return int(words[2]) << 31 | int(words[3]) >> 1
