"""A state dict in any layout against a model: which entry goes where, without touching either."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from resnest_dense.errors import ResNeStError, listed
from resnest_dense.nn import ResNeSt
from resnest_dense.nn.stages import STAGE_NAMES
from resnest_dense.weights.identify import Translation, describe, to_ours
from resnest_dense.weights.layouts import COUNTER
from resnest_dense.weights.report import LoadReport, Mismatch

__all__ = ["adapt", "bare_model", "find_backbone", "has_one_backbone", "require_kinds",
           "require_numbers"]

_CLASSIFIERS = ("linear.", "fc.", "head.fc.")


def bare_model(model: nn.Module) -> nn.Module:
    """``model`` out of the wrapper of parallel training, which puts a word before every name."""
    return model.module if isinstance(model, (DataParallel, DistributedDataParallel)) else model


def find_backbone(model: nn.Module) -> tuple[str, ResNeSt]:
    """What stands before the backbone's names in the state dict of ``model``, and the backbone.

    Raises:
        ResNeStError: no ResNeSt in the model, or more than one.
    """
    found = {name: module for name, module in model.named_modules() if isinstance(module, ResNeSt)}
    if len(found) != 1:
        raise ResNeStError(f"{type(model).__name__} has {len(found)} ResNeSts "
                           f"({listed(found) or 'none'}): give the part of the model that has "
                           "the one to load.")
    name, backbone = found.popitem()
    return f"{name}." if name else "", backbone


def has_one_backbone(model: nn.Module) -> bool:
    """Whether :func:`find_backbone` finds it in ``model``."""
    return sum(isinstance(module, ResNeSt) for module in model.modules()) == 1


def require_kinds(values: Mapping[str, Tensor], targets: Mapping[str, Tensor], name: str) -> None:
    """Refuses weights called ``name`` of which copying into ``targets`` would make other values, or
    none.

    Raises:
        ResNeStError: whole, complex or quantized numbers where fractions are wanted, or tensors
            that are sparse or without values (on torch's device "meta").
    """
    for key, value in values.items():
        whole = not key.endswith(COUNTER) and (value.is_floating_point()
                                               != targets[key].is_floating_point())
        if (whole or value.is_complex() or value.is_quantized or value.is_meta
                or value.layout is not torch.strided):
            raise ResNeStError(f"{name}: {key} is of {value.dtype}, {value.layout}, on "
                               f"{value.device}; {targets[key].dtype} is wanted. Save plain "
                               "weights: value.dequantize(), .to_dense() or .float().")


def require_numbers(state: Mapping[str, Tensor], name: str) -> None:
    """Refuses weights called ``name`` that are no numbers.

    Raises:
        ResNeStError: NaN or infinite values, with the names of their tensors.
    """
    broken = [key for key, value in state.items()
              if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise ResNeStError(
            f"{name} holds NaN or infinite values in {len(broken)} of {len(state)} tensors "
            f"({', '.join(broken[:3])}{', ...' if len(broken) > 3 else ''}): the training that "
            "wrote it had diverged. Give an earlier checkpoint, or train with a lower rate.")


def adapt(model: nn.Module, state: Mapping[str, Tensor], *,
          name: str = "the state dict") -> tuple[dict[str, Tensor], LoadReport]:
    """The entries of ``state`` that fit ``model``, under the model's names, and the report of it.

    For loaders that assign on their own; :func:`resnest_dense.weights.load` does all of it.

    Args:
        model: a ResNeSt, or a detector or segmentor with one inside; left as it is.
        state: weights in any layout; left as they are.
        name: what the report calls them.

    Raises:
        ResNeStError: not exactly one ResNeSt in the model, or in ``state``.
    """
    model = bare_model(model)
    path, backbone = find_backbone(model)
    found = to_ours(state, name=name)
    targets = model.state_dict()
    given, notes, excused = _suit(found, targets, path)
    both = [key for key in targets if key in given]
    values = {key: given[key] for key in both if given[key].shape == targets[key].shape}
    wanted = [key for key in targets if not key.endswith(COUNTER) and key not in excused]
    loaded = [key for key in wanted if key in values]
    inside = {key for key in wanted if key.startswith(path)}
    left = _leftovers([key for key in given if key not in targets], found, path, backbone)
    whole = not left["stray"] and inside.issubset(loaded)
    return values, LoadReport(
        source=name,
        layout=found.layout.name,
        loaded=tuple(loaded),
        missing=tuple(key for key in wanted if key not in given),
        unexpected=(*left["stray"], *left["unexpected"]),
        mismatched=tuple(Mismatch(key, tuple(given[key].shape), tuple(targets[key].shape))
                         for key in both if key not in values),
        ignored=tuple(left["ignored"]),
        backbone=(len(inside.intersection(loaded)), len(inside)),
        heads=(len(set(loaded) - inside), len(wanted) - len(inside)),
        notes=tuple(notes),
        problem="" if whole else _difference(found.backbone, targets, path),
    )


def _suit(found: Translation, targets: Mapping[str, Tensor],
          path: str) -> tuple[dict[str, Tensor], list[str], set[str]]:
    """The file's entries by the model's names, suited to it; notes on what was done; and names in
    the model that the file need not have."""
    given = {**found.rest, **{path + ours: value for ours, value in found.backbone.items()}}
    notes = []
    # A deformable network is trained from the weights of the plain one, its offsets from zero.
    plain = not any("conv2_offset" in key for key in given)
    excused = {key for key in targets if plain and key.startswith(path) and "conv2_offset" in key}
    if excused:
        notes.append("conv2_offset stays as it is: the file is not deformable")
    last = path + "linear.weight"
    if (last in given and last in targets and given[last].shape[1:] == targets[last].shape[1:]
            and len(given[last]) != len(targets[last])):
        notes.append(f"linear stays as it is: the file has {len(given[last])} classes, the model "
                     f"{len(targets[last])}")
        excused |= {last, path + "linear.bias"}
        given = {key: value for key, value in given.items() if key not in excused}
    for stem in (path + "stem.conv1_1.weight", path + "stem.conv1.weight"):
        if stem not in given or stem not in targets:
            continue
        channels = targets[stem].shape[1]
        if given[stem].dim() == 4 and given[stem].shape[1] == 3 != channels:
            # One channel gets the sum of the filters; more get them in turn, at the same scale.
            in_turn = given[stem].repeat(1, -(-channels // 3), 1, 1)[:, :channels]
            given[stem] = (given[stem].sum(dim=1, keepdim=True) if channels == 1
                           else in_turn * (3 / channels))
            notes.append(f"RGB stem adapted to {channels} input channels")
    return given, notes, excused


def _leftovers(keys: Iterable[str], found: Translation, path: str,
               backbone: ResNeSt) -> dict[str, list[str]]:
    """The file's names of entries that the model has no place for: "stray" ones are of a backbone,
    "unexpected" ones of heads, and "ignored" ones are left out on purpose."""
    left: dict[str, list[str]] = {"stray": [], "unexpected": [], "ignored": []}
    for key in keys:
        if key.endswith(COUNTER):
            continue
        if key in found.rest:
            part = key.removeprefix(found.prefix).split(".")[0]
            heads = "ignored" if path == "" or key.startswith(_CLASSIFIERS) else "unexpected"
            left["stray" if part in found.layout.stages else heads].append(key)
        else:
            ours = key.removeprefix(path)
            stage = ours.split(".")[0]
            unbuilt = stage in STAGE_NAMES and not hasattr(backbone, stage)
            expected = unbuilt or ours.startswith(_CLASSIFIERS)
            left["ignored" if expected else "stray"].append(found.names[ours])
    return left


def _difference(in_file: Mapping[str, Tensor], in_model: Mapping[str, Tensor], path: str) -> str:
    ours = {key.removeprefix(path): value for key, value in in_model.items()}
    if "linear.weight" in ours and "linear.weight" not in in_file:
        return "The file has no classifier, the model has one."
    file, model = describe(in_file), describe(ours)
    if file == model:
        return f"File and model are both {model}, but not built alike (their norms, for one)."
    return f"The file looks like {file}; the model is {model}."
