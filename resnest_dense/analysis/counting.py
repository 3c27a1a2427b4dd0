"""Parameters, multiply-adds and activations of the parts of a model, without computing anything.

One multiply-add is one MAC and two floating-point operations. Counted, by torch's own formulas, are
convolutions (deformable ones without their bilinear sampling), linear layers and matrix products;
norms, activation functions, pooling and resizing are not. Activations are the values that those
operations put out, as in "Designing Network Design Spaces" (arXiv 2003.13678).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.hooks import RemovableHandle

from resnest_dense.errors import ResNeStError

__all__ = ["Analysis", "Counts", "analyze", "model_parts"]

_STAGES = {"stem": ("stem", "conv1", "bn1"), "res2": ("res2", "layer1"), "res3": ("res3", "layer2"),
           "res4": ("res4", "layer3"), "res5": ("res5", "layer4")}


@dataclass(frozen=True)
class Counts:
    """What one part has and does for one image.

    Args:
        parameters: learned values; the scale and shift of a frozen batch norm count as well, so a
            network has the same number however much of it is frozen.
        macs: multiply-adds.
        activations: values put out by convolutions and matrix products.
    """

    parameters: int
    macs: int
    activations: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.parameters + other.parameters, self.macs + other.macs,
                      self.activations + other.activations)


@dataclass(frozen=True)
class Analysis:
    """The parts of a model.

    Args:
        parts: counts by the name of the part; they add up to the model.
        size: height and width of the input in pixels, after padding.
        notes: what the counts depend on.
    """

    parts: Mapping[str, Counts]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Counts:
        """The whole model."""
        return sum(self.parts.values(), start=Counts(0, 0, 0))

    def table(self) -> str:
        """All of it as text."""
        rows = [(name, counts) for name, counts in self.parts.items()] + [("total", self.total)]
        lines = [f"{'part':16}{'parameters':>14}{'MACs':>14}{'activations':>14}"]
        lines += [f"{name:16}{c.parameters / 1e6:>12.3f} M{c.macs / 1e9:>12.3f} G"
                  f"{c.activations / 1e6:>12.3f} M" for name, c in rows]
        lines.append(f"For one image of {self.size[0]}x{self.size[1]} (height x width). 1 MAC is a "
                     "multiply-add: 2 FLOPs.")
        return "\n".join([*lines, *self.notes])


def analyze(model: nn.Module, image: Tensor, parts: Mapping[str, Sequence[str]],
            run: Callable[[Tensor], object], notes: Sequence[str] = ()) -> Analysis:
    """Counts what ``run`` does.

    Args:
        model: in eval mode; on the device "meta" nothing is computed.
        image: (1, C, H, W), on the model's device.
        parts: for each part the names of its modules; of two that contain a module, the inner one
            counts it.
        run: calls the modules of ``model`` for ``image``.
        notes: see :class:`Analysis`.

    Raises:
        ResNeStError: parameters or multiply-adds outside the parts.
    """
    owners = {name: _owner(name, parts) for name, _ in model.named_modules()}
    with torch.no_grad(), _Counting(model) as counting:
        run(image)
    counted = (_own_parameters(model), counting.macs, counting.activations)
    totals: list[Counter[str | None]] = [Counter() for _ in counted]
    for values, total in zip(counted, totals):
        for name, value in values.items():
            total[owners.get(name)] += value
    if any(total[None] for total in totals):
        raise ResNeStError(f"{type(model).__name__} has modules with weights outside its known "
                           f"parts ({', '.join(parts)}).")
    return Analysis({part: Counts(*(total[part] for total in totals)) for part in parts},
                    (image.shape[2], image.shape[3]), tuple(notes))


def model_parts(model: nn.Module, others: Mapping[str, Sequence[str]], *,
                backbone: str) -> dict[str, tuple[str, ...]]:
    """The parts of a model: the stages of its ResNeSt or ResNet, and ``others`` that it has.

    Args:
        model: a detector or segmentor.
        others: for each part the names of its modules, present or not.
        backbone: name of the module with the stages.
    """
    names = {name for name, _ in model.named_modules()}
    dot = f"{backbone}." if backbone else ""
    stages = {stage: [dot + child for child in children] for stage, children in _STAGES.items()}
    present = {part: tuple(name for name in wanted if name in names)
               for part, wanted in {**stages, **others}.items()}
    return {part: found for part, found in present.items() if found}


class _Counting(TorchDispatchMode):
    """Inside: counts each operator for the innermost module of the model that runs."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.macs: Counter[str] = Counter()
        self.activations: Counter[str] = Counter()
        self._model, self._running = model, [""]
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> "_Counting":
        for name, module in self._model.named_modules():
            self._hooks += [
                module.register_forward_pre_hook(lambda *_, name=name: self._running.append(name)),
                module.register_forward_hook(lambda *_: self._running.pop() and None),
            ]
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for hook in self._hooks:
            hook.remove()
        super().__exit__(*error)

    def __torch_dispatch__(self, operator: OpOverload, types: Sequence[type],
                           args: tuple[Any, ...] = (),
                           kwargs: dict[str, Any] | None = None) -> Any:
        out = operator(*args, **(kwargs or {}))
        macs = _count_macs(operator, args, kwargs or {}, out)
        if macs:
            self.macs[self._running[-1]] += macs
            self.activations[self._running[-1]] += out.numel()
        return out


def _count_macs(operator: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any],
                out: Any) -> int:
    if operator.name() == "torchvision::deform_conv2d":  # for which torch has no formula
        return out.numel() * args[1][0].numel()
    formula = flop_registry.get(operator._overloadpacket)
    return formula(*args, **kwargs, out_val=out) // 2 if formula else 0


def _owner(name: str, parts: Mapping[str, Sequence[str]]) -> str | None:
    around = {outer: part for part, outers in parts.items() for outer in outers
              if name == outer or name.startswith(f"{outer}.")}
    return around[max(around, key=len)] if around else None


def _own_parameters(model: nn.Module) -> Counter[str]:
    counts: Counter[str] = Counter()
    seen: set[nn.Parameter] = set()
    for name, module in model.named_modules():
        own = list(module.parameters(recurse=False))
        if type(module).__name__ == "FrozenBatchNorm2d":  # ours and detectron2's: buffers
            own = [module.weight, module.bias]
        counts[name] = sum(p.numel() for p in own if p not in seen)
        seen.update(own)
    return counts
