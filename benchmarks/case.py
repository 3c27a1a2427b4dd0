"""One case of the backbone benchmark: networks built alike, the step that is timed, the check."""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.networks import CANDIDATES, draw_images, draw_weights
from resnest_dense.inference.compile import constant_weights

__all__ = ["LAYOUTS", "Case", "Row", "build", "check", "draw_input", "draw_state",
           "expected_features", "step_of"]

LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
# Largest relative difference (2-norm) from our plain network in float32.
TOLERANCES = {"float32": 1e-4, "bfloat16": 0.15, "float16": 0.02}
# Norms of pooled maps see one value of each image: where two are nearly equal, rounding decides.
TRAINING_TOLERANCE = 0.05


@dataclasses.dataclass(frozen=True)
class Case:
    """What is measured.

    Args:
        architecture: name of a ResNeSt.
        training: forward and backward in training mode; otherwise forward in eval.
        dtype: "float32", "bfloat16" or "float16".
        size: images, height, width.
        device: "cpu", "cuda", ...
        autocast: how eval gets to another dtype: by autocast, not by casting the network. Training
            is always by autocast.
    """

    architecture: str
    training: bool
    dtype: str
    size: tuple[int, int, int]
    device: str
    autocast: bool = False

    @property
    def cast_dtype(self) -> torch.dtype:
        """The type of weights and input."""
        casts = not (self.training or self.autocast)
        return getattr(torch, self.dtype) if casts else torch.float32


@dataclasses.dataclass(frozen=True)
class Row:
    """One way to compute a case: a candidate of :mod:`benchmarks.networks` in one layout, eager or
    through ``torch.compile``."""

    name: str
    layout: str
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.name}{' compiled' if self.compiled else ''}, {self.layout}"


def draw_state(case: Case) -> dict[str, Tensor]:
    """The weights of every ResNeSt of ``case``, the same in every process."""
    torch.manual_seed(0)
    return draw_weights(case.architecture)


def draw_input(case: Case, layout: str) -> Tensor:
    """Its images, the same in every process."""
    x = draw_images(*case.size, seed=1)
    return x.to(case.device, case.cast_dtype).to(memory_format=LAYOUTS[layout])


def build(case: Case, row: Row, state: dict[str, Tensor]) -> nn.Module:
    """The network of ``row`` as ``case`` wants it."""
    candidate = CANDIDATES[row.name]
    net = candidate.build(case.architecture, state)
    for module in net.modules():
        module.training = case.training  # The train() of MMSegmentation's returns nothing.
    net.to(case.device, memory_format=LAYOUTS[row.layout])
    if candidate.fuse:
        net = candidate.fuse(net)
    net.to(case.cast_dtype)
    if row.compiled:
        net.compile()
    return net


def step_of(case: Case, net: nn.Module, x: Tensor) -> Callable[[], tuple[Tensor, ...]]:
    """What is timed: the feature maps in eval, forward and backward in training."""
    autocast = torch.autocast(x.device.type, getattr(torch, case.dtype),
                              enabled=str(case.cast_dtype) != f"torch.{case.dtype}")

    @torch.inference_mode()
    def evaluate():
        # Where it is compiled, its norms are folded into the convolutions, for the peers too.
        with autocast, constant_weights():
            return net(x)

    gradients = []

    def train():
        with autocast:
            features = net(x)
        # Those of a loss, as the layers behind would give them: in the layout of the maps.
        gradients[:] = gradients or [torch.randn_like(f) / f.numel() for f in features]
        torch.autograd.backward(features, gradients)
        net.zero_grad()
        return tuple(feature.detach() for feature in features)

    return train if case.training else evaluate


def expected_features(case: Case, state: dict[str, Tensor],
                      device: str = "cpu") -> tuple[Tensor, ...]:
    """Those of our plain network in float32."""
    plain = dataclasses.replace(case, dtype="float32", device=device)
    row = Row("ours", "channels first")
    return step_of(plain, build(plain, row, state), draw_input(plain, row.layout))()


def check(case: Case, row: Row, features: tuple[Tensor, ...],
          expected: tuple[Tensor, ...]) -> float:
    """The relative difference of the feature maps of ``row`` from those expected.

    Raises:
        RuntimeError: they are not the same numbers; times of different networks say nothing.
    """
    pairs = zip(features, expected, strict=True)
    found = max(float((a.to(b) - b).norm() / b.norm()) for a, b in pairs)
    allowed = max(TOLERANCES[case.dtype], TRAINING_TOLERANCE if case.training else 0)
    if not found <= allowed:
        raise RuntimeError(f"{row}: feature maps differ from ours by {found:.2g}, "
                           f"{allowed} is allowed")
    return found
