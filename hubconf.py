"""The networks for ``torch.hub.load(repo, "resnest50", source="local")``: classifiers, as in the
official repository. ``pretrained=True`` loads the published weights of that name."""

from functools import partial
from typing import Any

from torch import nn

from resnest_dense import create_classifier as _create
from resnest_dense import list_architectures as _list

dependencies = ["torch", "safetensors", "filelock"]


def _entry(name: str, pretrained: bool = False, **options: Any) -> nn.Module:
    """The classifier; ``options`` as of ``resnest_dense.create_classifier``."""
    return _create(name, weights=name if pretrained else None, **options)


for _name in _list():
    globals()[_name] = partial(_entry, _name)
    globals()[_name].__doc__ = f"{_name}: pretrained=False, and {_create.__doc__}"
