"""Weights of a whole segmentor, from any code that trained it: their names, fit and input."""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from resnest_dense.errors import ResNeStError
from resnest_dense.nn import ResNeSt
from resnest_dense.preflight import InputSettings
from resnest_dense.weights import InputContract, check_contract, prepare
from resnest_dense.weights.identify import to_ours
from resnest_dense.weights.matching import require_kinds, require_numbers
from resnest_dense.weights.source import Weights, read_metadata

__all__ = ["check_input", "checkpoint_classes", "fit_checkpoint", "fit_state", "note_source",
           "read_input", "reorder_classifiers", "unwrap"]

# Where a state dict was read from, kept among the versions of its modules: mmengine passes on those
# alone, and no module has this name.
_SOURCE = "resnest_dense: read from"
_PREPROCESSOR = "model.data_preprocessor"
_CLASSIFIER = re.compile(r"\.conv_seg\.(weight|bias)$")


def unwrap(model: Any) -> nn.Module:
    """The segmentor inside of distributed training and of test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def note_source(state: OrderedDict[str, Tensor], filename: str) -> None:
    """Keep with ``state`` that it was read from the file ``filename``, for :func:`fit_state`."""
    versions = OrderedDict(getattr(state, "_metadata", {}), **{_SOURCE: filename})
    state._metadata = versions  # type: ignore[attr-defined]  # torch's own, which no type declares


def fit_state(model: nn.Module, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``state_dict`` under the names of a model with one ResNeSt, with a report in the log.

    Raises:
        ResNeStError: it does not fill the ResNeSt, or was trained on another input.
    """
    state = state_dict
    if hasattr(model, "decode_head"):
        state = to_ours(state, name="the checkpoint").segmentor()
    source = getattr(state_dict, "_metadata", {}).get(_SOURCE)
    weights = (Weights("the checkpoint", state) if source is None else
               Weights(Path(source).name, state, read_metadata(Path(source))))
    values, report = prepare(model, weights, logger=MMLogger.get_current_instance())
    check_input(model, report.contract, report.source)
    return values


def fit_checkpoint(state: Mapping[str, Tensor],
                   model: nn.Module) -> tuple[dict[str, Tensor], list[str]]:
    """A segmentor's ``state`` in any layout under the names of MMSegmentation's ``model``, and the
    classifiers that it has no weights for.

    Raises:
        ResNeStError: weights of the model, beyond its classifiers, are not in ``state``, have
            another shape or type there or are NaN or infinite.
    """
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    if isinstance(getattr(model, "backbone", None), ResNeSt):
        state = to_ours(state, name="the checkpoint").segmentor()
    targets = model.state_dict()
    require_kinds({name: tensor for name, tensor in state.items() if name in targets}, targets,
                  "the checkpoint")
    require_numbers(state, "the checkpoint")
    own = {name: tensor.shape for name, tensor in targets.items()
           if not name.endswith("num_batches_tracked")}
    unfit = [name for name, shape in own.items()
             if name not in state or state[name].shape != shape]
    classifiers = [name for name in unfit if _CLASSIFIER.search(name) and name in state]
    wrong = [name for name in unfit if name not in classifiers]
    if wrong:
        raise ResNeStError(_difference(wrong, own, state))
    return {name: tensor for name, tensor in state.items() if name not in classifiers}, classifiers


def checkpoint_classes(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The class names that a segmentor's checkpoint says it was trained on, () where it does not;
    MMSegmentation 0 wrote them in capitals.
    """
    meta = content.get("meta") or {}
    return tuple((meta.get("dataset_meta") or {}).get("classes") or meta.get("CLASSES") or ())


def reorder_classifiers(state: dict[str, Tensor], order: Sequence[int]) -> None:
    """Lets a segmentor's weights predict their class i as ``order[i]``, in place.

    Raises:
        ResNeStError: classifiers that are not one output a class.
    """
    names = [name for name in state if _CLASSIFIER.search(name)]
    if not names or any(len(state[name]) != len(order) for name in names):
        raise ResNeStError("The checkpoint has the classes in another order than the data set, and "
                           "this model has no conv_seg with an output for each, which could be "
                           "reordered: give the data set metainfo=dict(classes=[...]) in the "
                           "checkpoint's order.")
    source = torch.tensor(order).argsort()
    for name in names:
        state[name] = state[name][source.to(state[name].device)]


def read_input(model: nn.Module | None) -> InputSettings | None:
    """What the ``data_preprocessor`` of ``model`` does to images; None if it does not normalise."""
    preprocessor = getattr(model, "data_preprocessor", None)
    if not hasattr(preprocessor, "mean"):
        return None
    # OpenMMLab's libraries read images in BGR. The names of the switch are MMSegmentation's own and
    # mmengine's, which forks have too.
    turned = any(getattr(preprocessor, name, False)
                 for name in ("channel_conversion", "_channel_conversion"))
    mean, std = ([round(value, 4) for value in values.flatten().tolist()]
                 for values in (preprocessor.mean, preprocessor.std))
    return InputSettings("RGB" if turned else "BGR", mean, std, keys=(
        f"{_PREPROCESSOR}.bgr_to_rgb", f"{_PREPROCESSOR}.mean", f"{_PREPROCESSOR}.std"))


def check_input(model: nn.Module | None, contract: InputContract | None, source: str) -> None:
    """Compare what weights, called ``source``, expect with what a segmentor or detector gives them,
    where both are known.

    Raises:
        ResNeStValueError: a conflict; the message names both sides and the fix.
    """
    given = read_input(model)
    if contract is None or given is None:
        return
    order, mean, std = given.keys
    check_contract(contract, channel_order=given.order, mean=given.mean, std=given.std,
                   source=source, keys=(f"the channel order ({order}, True for RGB)", mean, std))


def _difference(wrong: list[str], own: Mapping[str, tuple], state: Mapping[str, Tensor]) -> str:
    parts = {name.split(".")[0] for name in own}
    absent = {part for part in parts if not any(name.startswith(part + ".") for name in state)}
    if absent == parts - {"backbone"}:
        return ("The checkpoint holds a backbone only, and the heads would be random. Give it as "
                "model.backbone.init_cfg=dict(type=\"Pretrained\", checkpoint=...) to train from "
                "it.")
    name = wrong[0]
    there = f"has shape {tuple(state[name].shape)}" if name in state else "is missing"
    return (f"The checkpoint is of another network: {len(wrong)} of the model's {len(own)} weights "
            f"do not fit, first {name} of shape {tuple(own[name])}, which {there} there. Use the "
            "config that it was trained with.")
