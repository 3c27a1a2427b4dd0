"""Weights into models of mmengine: any layout of a ResNeSt, with a report, on the right input.

``load_from``, ``resume`` and ``init_model`` of OpenMMLab's libraries end in one function of mmengine,
which loads by exact names and only warns of those that fit nowhere. :func:`install` puts ours before
it, for models with a ResNeSt of ours alone, and before the one that reads files, to know which file
it is; :func:`uninstall` takes both back.
"""

import weakref
from collections import OrderedDict
from collections.abc import Mapping
from logging import Logger
from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import checkpoint
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook

from resnest_dense.mmseg.checkpoint import segmentor_names
from resnest_dense.nn import ResNeSt
from resnest_dense.weights import InputContract, LoadReport, check_contract, load, prepare
from resnest_dense.weights.matching import has_one_backbone
from resnest_dense.weights.source import Weights, read_metadata

__all__ = ["check_input", "initialize", "install", "turns_channels", "uninstall"]

_stock_load = checkpoint.load_state_dict
_stock_read = checkpoint.CheckpointLoader.load_checkpoint.__func__
# Where a state dict was read from, kept among the versions of its modules: mmengine passes on those
# alone, and no module has this name.
_SOURCE = "resnest_dense: read from"
_registration = None
# The model that a backbone is a part of: it alone knows what input the backbone will get.
_owners = weakref.WeakKeyDictionary()


def install() -> None:
    """Let mmengine load weights of our ResNeSt in any layout, with a report, or refuse them."""
    global _registration
    checkpoint.load_state_dict = _load_state_dict
    checkpoint.CheckpointLoader.load_checkpoint = classmethod(_read)
    if _registration is None:
        _registration = register_module_module_registration_hook(_remember_owner)


def uninstall() -> None:
    """Leave mmengine as it was before :func:`install`."""
    global _registration
    checkpoint.load_state_dict = _stock_load
    checkpoint.CheckpointLoader.load_checkpoint = classmethod(_stock_read)
    if _registration is not None:
        _registration.remove()
        _registration = None


def initialize(backbone: ResNeSt, source: str) -> LoadReport:
    """Load what the ``init_cfg`` of ``backbone`` names, if the model around it gives such input.

    Raises:
        ResNeStError: as :func:`resnest_dense.weights.load` and :func:`check_input`.
    """
    report = load(backbone, source, logger=MMLogger.get_current_instance())
    owner = _owners.get(backbone, lambda: None)()
    check_input(owner, report.contract, report.source)
    return report


def turns_channels(preprocessor: nn.Module) -> bool:
    """Whether it turns images into RGB; OpenMMLab's libraries read them in BGR."""
    # MMSegmentation's own name, and mmengine's, which forks have too.
    return any(getattr(preprocessor, name, False)
               for name in ("channel_conversion", "_channel_conversion"))


def check_input(model: nn.Module | None, contract: InputContract | None, source: str) -> None:
    """Compare what weights expect with what the ``data_preprocessor`` of ``model`` gives them.

    Args:
        model: a segmentor or detector; without one, or without a mean in its preprocessor, there
            is nothing to check.
        contract: what the weights expect; None where it is not known.
        source: what the message calls the weights.

    Raises:
        ResNeStValueError: a conflict; the message names both sides and the fix.
    """
    preprocessor = getattr(model, "data_preprocessor", None)
    if contract is None or not hasattr(preprocessor, "mean"):
        return
    turned = turns_channels(preprocessor)
    place = "model.data_preprocessor"
    check_contract(
        contract, channel_order="RGB" if turned else "BGR", mean=_listed(preprocessor.mean),
        std=_listed(preprocessor.std), source=source,
        keys=(f"the channel order ({place}.bgr_to_rgb, True for RGB)", f"{place}.mean",
              f"{place}.std"),
    )


def _remember_owner(owner: nn.Module, name: str, part: nn.Module | None) -> None:
    if isinstance(part, ResNeSt):
        _owners[part] = weakref.ref(owner)


def _read(cls, filename: str, *args, **kwargs) -> Any:
    content = _stock_read(cls, filename, *args, **kwargs)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if isinstance(state, OrderedDict):  # as torch makes them; a plain dict takes no attributes
        state._metadata = OrderedDict(getattr(state, "_metadata", {}), **{_SOURCE: str(filename)})
    return content


def _load_state_dict(module: nn.Module, state_dict: Mapping[str, Tensor], strict: bool = False,
                     logger: Logger | str | None = None) -> None:
    model = module
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    if has_one_backbone(model):
        state_dict = _fit(model, state_dict)
    _stock_load(module, state_dict, strict, logger)


def _fit(model: nn.Module, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``state_dict`` under the names of ``model``, which it fits."""
    state = segmentor_names(state_dict) if hasattr(model, "decode_head") else state_dict
    source = getattr(state_dict, "_metadata", {}).get(_SOURCE)
    weights = (Weights("the checkpoint", state) if source is None else
               Weights(Path(source).name, state, read_metadata(Path(source))))
    values, report = prepare(model, weights, logger=MMLogger.get_current_instance())
    check_input(model, report.contract, report.source)
    return values


def _listed(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.flatten().tolist()]
