"""``torch.compile`` of a part of the network, in place, with the names of its parameters kept."""

import contextlib
from typing import Any

import torch
from torch import nn

from resnest_dense.errors import ResNeStError

__all__ = ["compile_part", "constant_weights", "is_compiling", "uncompile"]


def _is_exporting() -> bool:
    return getattr(torch.compiler, "is_exporting", bool)()  # torch has it since 2.7


# As torch.compiler.assume_constant_result has it, which takes a second to import: the compiler
# calls the function. By itself it takes torch's for true, also where nothing is exported (2.11).
_is_exporting._dynamo_marked_constant = True  # type: ignore[attr-defined]


def is_compiling() -> bool:
    """Whether ``torch.compile`` reads the code, not ``torch.export``, whose graph others run."""
    return torch.compiler.is_compiling() and not _is_exporting()


def compile_part(part: nn.Module, name: str, *, constant: bool = False, **options: Any) -> None:
    """Has ``part`` compiled as one graph, for any image size, when it is first called.

    Args:
        part: the module; its state dict stays as it is.
        name: how error messages and profiles call it.
        constant: whether its weights will not change.
        options: of ``torch.compile``.

    Raises:
        ResNeStError: torch is older than 2.5.
    """
    if torch.__version__ < (2, 5):
        raise ResNeStError(
            f"Compiling the network needs torch 2.5 or newer; this is {torch.__version__}: to the "
            "compiler of 2.4 the stride of a pool is a variable.")

    def run(*args: Any) -> Any:
        return part._call_impl(*args)

    # The limit of recompilations counts per code object: parts that shared one would use it up
    # between them, and training, inference and a new image size each need one a part.
    run.__code__ = run.__code__.replace(co_name=f"compiled_{name}")
    compiled = torch.compile(run, fullgraph=True, dynamic=True, **options)

    def run_constant(*args: Any) -> Any:
        if torch.compiler.is_compiling():
            return run(*args)
        with constant_weights():
            return compiled(*args)

    part._compiled_call_impl = run_constant if constant else compiled


def constant_weights() -> contextlib.AbstractContextManager:
    """Inside, what the compiler compiles without gradients has its weights as constants, folded and
    packed. ``torch.compile`` takes this setting among its options too, but ignores it there (2.11).
    """
    from torch._inductor import config  # Takes a while, and is for compiled networks alone.

    return config.patch(freezing=True)


def uncompile(module: nn.Module) -> None:
    """Has every part of ``module`` run as it is written, whatever was compiled."""
    for part in module.modules():
        part._compiled_call_impl = None
