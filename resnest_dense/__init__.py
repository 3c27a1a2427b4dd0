"""ResNeSt (split-attention networks, arXiv 2004.08955) backbones for dense prediction."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resnest_dense.architectures import Architecture, get_architecture, list_architectures
    from resnest_dense.create import create_backbone, create_classifier
    from resnest_dense.deployment import export
    from resnest_dense.errors import ResNeStError, ResNeStValueError
    from resnest_dense.inference.fuse import fuse
    from resnest_dense.nn import Deformable, ResNeSt

__version__ = "0.1.0"
# Where each public name is: imported when it is asked for, so that the command line answers
# without torch.
_MODULES = {
    "Architecture": "architectures",
    "Deformable": "nn",
    "ResNeSt": "nn",
    "ResNeStError": "errors",
    "ResNeStValueError": "errors",
    "create_backbone": "create",
    "create_classifier": "create",
    "export": "deployment",
    "fuse": "inference.fuse",
    "get_architecture": "architectures",
    "list_architectures": "architectures",
}
_ROOMS = ("nn", "ops", "weights")
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES and name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES.get(name, name)}")
    except ModuleNotFoundError as error:
        from resnest_dense.errors import name_extra

        raise ModuleNotFoundError(f"{__name__}.{name}: {name_extra(error) or error}",
                                  name=error.name) from error
    except AttributeError as error:  # which `from` would take for a name that is not here
        raise ImportError(f"{__name__}.{name}: {error}. `resnest-dense doctor` says which of the "
                          "installed packages is too old or too new.") from error
    return getattr(module, name) if name in _MODULES else module


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
