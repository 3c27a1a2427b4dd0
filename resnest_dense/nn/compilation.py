"""``torch.compile`` of a part of the network, in place and with the names of its parameters kept."""

import torch
from torch import nn

__all__ = ["compile_part"]


def compile_part(part: nn.Module, name: str, **options) -> None:
    """Has ``part`` compiled as one graph, for any image size, when it is first called.

    Args:
        part: the module; its state dict stays as it is.
        name: how error messages and profiles call it.
        options: of ``torch.compile``.
    """

    def run(*args):
        return part._call_impl(*args)

    # The limit of recompilations counts per code object: parts that shared one would use it up
    # between them, and training, inference and a new image size each need one a part.
    run.__code__ = run.__code__.replace(co_name=f"compiled_{name}")
    part._compiled_call_impl = torch.compile(run, fullgraph=True, dynamic=True, **options)
