"""A state dict in any layout against a model: which entry goes where, without touching either."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from resnest_dense.errors import ResNeStError
from resnest_dense.nn import ResNeSt
from resnest_dense.nn.stages import STAGE_NAMES
from resnest_dense.weights.identify import describe
from resnest_dense.weights.layouts import COUNTER
from resnest_dense.weights.report import LoadReport, Mismatch
from resnest_dense.weights.translate import Translation, to_ours

__all__ = ["adapt", "bare_model", "find_backbone", "has_one_backbone"]

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
        raise ResNeStError(
            f"{type(model).__name__} has {len(found)} ResNeSts ({', '.join(found) or 'none'}): "
            "give the part of the model that has the one to load."
        )
    name, backbone = found.popitem()
    return f"{name}." if name else "", backbone


def has_one_backbone(model: nn.Module) -> bool:
    """Whether :func:`find_backbone` finds it in ``model``."""
    return sum(isinstance(module, ResNeSt) for module in model.modules()) == 1


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
    match = _match(targets, found, path)
    strays, unexpected, ignored = _sort_leftovers(match, found, path, backbone)
    inside = {key for key in match.wanted if key.startswith(path)}
    loaded = {key for key in match.values if key in match.wanted}
    ours = {key.removeprefix(path): value for key, value in targets.items()}
    problem = _difference(found.backbone, ours) if strays or not inside <= loaded else ""
    return match.values, LoadReport(
        source=name,
        layout=found.layout.name,
        loaded=tuple(key for key in match.wanted if key in loaded),
        missing=tuple(match.missing),
        unexpected=(*strays, *unexpected),
        mismatched=tuple(match.mismatched),
        ignored=tuple(ignored),
        backbone=(len(inside & loaded), len(inside)),
        heads=(len(loaded - inside), len(match.wanted) - len(inside)),
        notes=tuple(match.notes),
        problem=problem,
    )


def _difference(in_file: Mapping[str, Tensor], in_model: Mapping[str, Tensor]) -> str:
    file, model = describe(in_file), describe(in_model)
    if file == model:
        return f"File and model are both {model}, but not built alike (their norms, for one)."
    return f"The file looks like {file}; the model is {model}."


@dataclass
class _Match:
    wanted: list[str]  # names in the model that count
    values: dict[str, Tensor]  # what they get, by the model's names; counters too
    missing: list[str]
    mismatched: list[Mismatch]
    notes: list[str]
    leftover: list[str]  # what nothing took, by the model's names


def _match(targets: Mapping[str, Tensor], found: Translation, path: str) -> _Match:
    given = {**found.rest, **{path + ours: value for ours, value in found.backbone.items()}}
    match = _Match([], {}, [], [], [], [key for key in given
                                        if key not in targets and not key.endswith(COUNTER)])
    # A deformable network is trained from the weights of the plain one, its offsets from zero.
    plain = not any("conv2_offset" in key for key in given)
    excused = {key for key in targets if plain and key.startswith(path) and "conv2_offset" in key}
    if excused:
        match.notes.append("conv2_offset stays as it is: the file is not deformable")
    for key, target in targets.items():
        value = given.get(key)
        counts = not key.endswith(COUNTER) and key not in excused
        if counts:
            match.wanted.append(key)
        if value is None:
            match.missing += [key] if counts else []
            continue
        if key == path + "stem.conv1_1.weight" and value.shape[1:2] == (3,) != target.shape[1:2]:
            value = _adapt_stem(value, target.shape[1])
            match.notes.append(f"RGB stem adapted to {target.shape[1]} input channels")
        if value.shape == target.shape:
            match.values[key] = value
        else:
            match.mismatched.append(Mismatch(key, tuple(value.shape), tuple(target.shape)))
    return match


def _adapt_stem(weight: Tensor, in_channels: int) -> Tensor:
    if in_channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeated = weight.repeat(1, -(-in_channels // 3), 1, 1)[:, :in_channels]
    return repeated * (3 / in_channels)


def _sort_leftovers(match: _Match, found: Translation, path: str,
                    backbone: ResNeSt) -> tuple[list[str], list[str], list[str]]:
    """The file's names of what the backbone lacks, of what the heads lack, and of the expected."""
    strays, unexpected, ignored = [], [], []
    for key in match.leftover:
        ours = key.removeprefix(path)
        if key in found.rest:
            part = key.removeprefix(found.prefix).split(".")[0]
            heads = ignored if path == "" or key.startswith(_CLASSIFIERS) else unexpected
            (strays if part in found.layout.stages else heads).append(key)
        else:
            stage = ours.split(".")[0]
            unbuilt = stage in STAGE_NAMES and not hasattr(backbone, stage)
            expected = unbuilt or ours.startswith(_CLASSIFIERS)
            (ignored if expected else strays).append(found.names[ours])
    return strays, unexpected, ignored
