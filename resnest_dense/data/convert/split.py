"""Dividing images in two so that each class is on both sides, and what is alike on one."""

import re
from collections.abc import Sequence

import numpy as np

__all__ = ["cut_long", "divide"]


def divide(classes: np.ndarray, groups: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which images are to be trained on, (N,) bool.

    Iterative stratification (Sechidis et al., 2011) of groups instead of single images: the class
    with the fewest images left goes first, each group of it to the side that wants most of it.

    Args:
        classes: which of them each image has, (N, C) bool.
        groups: the number of the group of each, (N,).
        share: of the images, to be trained on.
        seed: of the order among equals.
    """
    _, member = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(member.max() + 1)
    sizes = np.bincount(member)
    counts = np.zeros((len(sizes), classes.shape[1] + 1), int)
    # A last class that all images have stands for their number.
    np.add.at(counts, member, np.pad(classes, ((0, 0), (0, 1)), constant_values=True))
    wanted = np.array([[share], [1 - share]]) * counts.sum(axis=0)
    left = np.ones(len(sizes), bool)
    trained = np.zeros(len(sizes), bool)
    while left.any():
        rest = counts[left].sum(axis=0)
        column = int(np.where(rest > 0, rest, rest.max() + 1).argmin())
        # Large groups first, while there is still room on either side.
        having = [one for one in order if left[one] and counts[one, column]]
        for one in sorted(having, key=lambda one: -sizes[one]):
            # At first more is wanted for training: a class of one group goes there.
            trained[one] = tuple(wanted[0, [column, -1]]) >= tuple(wanted[1, [column, -1]])
            wanted[int(not trained[one])] -= counts[one]
            left[one] = False
    return trained[member]


def cut_long(groups: np.ndarray, names: Sequence[str], longest: int) -> tuple[np.ndarray, int]:
    """Groups with none of more than ``longest`` images: longer ones, such as a video, are cut in
    stretches of names that follow each other; and how many were."""
    result = groups.copy()
    numbers, counts = np.unique(groups, return_counts=True)
    for group in numbers[counts > longest]:
        members = sorted(np.flatnonzero(groups == group).tolist(),
                         key=lambda place: _natural(names[place]))
        for stretch in np.array_split(members, -(-len(members) // longest)):
            result[stretch] = min(stretch)
    return result, int((counts > longest).sum())


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts 2 before 10."""
    return [(int(word), "") if word.isdigit() else (-1, word)
            for word in re.split(r"(\d+)", name)]
