"""A batch that goes through a model in parts, of whose gradients one step is made."""

from contextlib import AbstractContextManager, nullcontext

from torch import nn

__all__ = ["parts_of", "unsynced"]


def parts_of(images: int, parts: int) -> list[slice]:
    """Where the parts of a batch lie, as equal as can be: none is empty, so that a small batch has
    fewer."""
    parts = min(parts, images)
    ends = [images * number // parts for number in range(parts + 1)]
    return [slice(*pair) for pair in zip(ends, ends[1:])]


def unsynced(model: nn.Module, wanted: bool = True) -> AbstractContextManager:
    """Inside, if ``wanted``, gradients stay in this process: those of the last part take all with
    them to the others."""
    no_sync = getattr(model, "no_sync", nullcontext)  # of a model in one process
    return no_sync() if wanted else nullcontext()
