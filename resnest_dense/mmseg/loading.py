"""Weights into models of mmengine: any layout of a ResNeSt, with a report, on the right input.

``load_from``, ``resume`` and ``init_model`` of OpenMMLab's libraries end in one function of mmengine,
which loads by exact names and only warns of those that fit nowhere. :func:`install` puts ours before
it, for models with a ResNeSt of ours alone; :func:`uninstall` takes it back.
"""

import weakref
from collections.abc import Mapping
from logging import Logger
from typing import Any

from mmengine.logging import MMLogger
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import checkpoint
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook

from resnest_dense.mmseg.checkpoint import segmentor_names
from resnest_dense.nn import ResNeSt
from resnest_dense.weights import InputContract, LoadReport, check_contract, load, prepare
from resnest_dense.weights.source import Weights

__all__ = ["check_input", "initialize", "install", "uninstall"]

_stock = checkpoint.load_state_dict
_registration = None
# The model that a backbone is a part of: it alone knows what input the backbone will get.
_owners = weakref.WeakKeyDictionary()


def install() -> None:
    """Let mmengine load weights of our ResNeSt in any layout, with a report, or refuse them."""
    global _registration
    checkpoint.load_state_dict = _load_state_dict
    if _registration is None:
        _registration = register_module_module_registration_hook(_remember_owner)


def uninstall() -> None:
    """Leave mmengine as it was before :func:`install`."""
    global _registration
    checkpoint.load_state_dict = _stock
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
    # OpenMMLab's libraries read images in BGR.
    turned = any(getattr(preprocessor, name, False)
                 for name in ("channel_conversion", "_channel_conversion"))
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


def _load_state_dict(module: nn.Module, state_dict: Mapping[str, Tensor], strict: bool = False,
                     logger: Logger | str | None = None) -> Any:
    model = module
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    if sum(isinstance(part, ResNeSt) for part in model.modules()) == 1:
        state = segmentor_names(state_dict) if hasattr(model, "decode_head") else state_dict
        weights = Weights("the checkpoint", state)
        state_dict, _ = prepare(model, weights, logger=MMLogger.get_current_instance())
    return _stock(module, state_dict, strict, logger)


def _listed(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.flatten().tolist()]
