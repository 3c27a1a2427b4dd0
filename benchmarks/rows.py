"""What is asked of the rows of a recorded case."""

from resnest_dense.analysis import Timing

__all__ = ["fastest"]


def fastest(rows: dict, *, compiled: bool | None = False, **wanted) -> Timing | None:
    """The timing with the lowest median of the rows whose entries are as ``wanted``, compiled or
    not (None: either)."""
    found = [Timing(row["seconds"]) for row in rows.values()
             if "seconds" in row and compiled in (None, row["compiled"])
             and all(row[key] == value for key, value in wanted.items())]
    return min(found, key=lambda timing: timing.median, default=None)
