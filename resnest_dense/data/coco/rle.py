"""COCO's run-length encoding: runs down the columns of a mask, background first.

pycocotools decodes a string whose runs end too early into uninitialised memory, without an error
(2.0.11), so that the runs are read and added up here.
"""

import numpy as np

from resnest_dense.errors import ResNeStValueError

__all__ = ["encode_rle", "rle_bounds", "rle_runs"]

_BITS = 5  # of the value in each character; the next bit says that more characters follow
_MORE, _SIGN = 32, 16
_LONGEST = 7  # characters of one run; enough for 2**34 pixels


def rle_runs(counts: list[int] | str, pixels: int) -> np.ndarray:
    """The lengths of the runs, from a list or from the compressed string.

    Args:
        counts: of the RLE; a list is of whole numbers.
        pixels: height x width, which the runs must add up to.

    Returns:
        (M,) int64: lengths of background and foreground runs in turn.

    Raises:
        ResNeStValueError: counts that are no RLE of a mask of this size.
    """
    runs = _decompress(counts) if isinstance(counts, str) else np.array(counts, dtype=np.int64)
    if (runs < 0).any():
        raise ResNeStValueError("runs of negative length")
    if runs.sum() != pixels:
        raise ResNeStValueError(f"runs of {runs.sum()} pixels in all, where the mask has {pixels}")
    return runs


def rle_bounds(runs: np.ndarray, height: int) -> tuple[float, float, float, float]:
    """The extent of the foreground, x1, y1, x2, y2 in pixels; (inf, inf, -inf, -inf) if empty."""
    ends = runs.cumsum()
    starts = ends - runs
    solid = runs[1::2] > 0
    starts, last = starts[1::2][solid], ends[1::2][solid] - 1
    if not len(starts):
        return np.inf, np.inf, -np.inf, -np.inf
    if (starts // height != last // height).any():
        # A run over a column's end takes in the bottom of one column and the top of the next.
        top, bottom = 0, height
    else:
        top, bottom = (starts % height).min(), (last % height).max() + 1
    return starts[0] // height, top, last[-1] // height + 1, bottom


def encode_rle(window: np.ndarray, top: int, left: int, size: tuple[int, int]) -> str:
    """The compressed string of a mask of a height and width, as pycocotools writes it.

    Args:
        window: the part of the mask outside of which it is empty, (h, w) bool.
        top: row of the mask at which the window begins; ``left``: its column.
    """
    edges = np.diff(np.pad(window.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)  # of each column
    columns, rows = np.nonzero(edges)  # a start, an end, a start, ...
    places = (left + columns) * size[0] + top + rows
    # A run that goes on at the top of the next column is one.
    both = np.flatnonzero(places[1:-1:2] == places[2::2])
    places = np.delete(places, np.concatenate([2 * both + 1, 2 * both + 2]))
    runs = np.diff(places, prepend=0, append=size[0] * size[1])
    return _compress(runs[:-1] if len(runs) > 1 and not runs[-1] else runs)


def _compress(runs: np.ndarray) -> str:
    steps = runs.copy()
    steps[3:] -= runs[1:-2]
    text = []
    for step in steps.tolist():
        more = True
        while more:
            code, step = step & _MORE - 1, step >> _BITS
            more = step != (-1 if code & _SIGN else 0)
            text.append(chr(48 + code + _MORE * more))
    return "".join(text)


def _decompress(text: str) -> np.ndarray:
    codes = np.frombuffer(text.encode(errors="replace"), dtype=np.uint8).astype(np.int64) - 48
    if not len(codes) or codes.min() < 0 or codes.max() >= 2 * _MORE or codes[-1] & _MORE:
        raise ResNeStValueError("a string that pycocotools has not written")
    ends = np.flatnonzero(codes & _MORE == 0) + 1
    starts = np.append(0, ends[:-1])
    lengths = ends - starts
    if lengths.max() > _LONGEST:
        raise ResNeStValueError("a run that is too long")
    shifts = _BITS * (np.arange(len(codes)) - np.repeat(starts, lengths))
    runs = np.add.reduceat((codes & (_MORE - 1)) << shifts, starts)
    runs -= np.where(codes[ends - 1] & _SIGN, 1 << _BITS * lengths, 0)
    # From the fourth on, each is the difference to the run two before it.
    runs[1::2] = runs[1::2].cumsum()
    runs[2::2] = runs[2::2].cumsum()
    return runs
