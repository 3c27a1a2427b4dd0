"""The Triton kernels tried on small maps before they are trusted: once a device and type of map."""

import functools
import logging
from collections.abc import Callable, Iterator
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

from resnest_dense.errors import ResNeStError
from resnest_dense.ops import reference

__all__ = ["find_fault", "is_sound", "require_sound"]

_logger = logging.getLogger(__name__)
_RADIX = 2
_SHAPE = (2, 2 * 24, 9, 7)
# Largest relative difference (2-norm) from torch's own operators.
_TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 4e-3}
_LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
# Each costs seconds the first time that a machine compiles it, so not all four.
_CASES = (("channels last", True), ("channels first", False))
_ADVICE = ("Please report this line at the project's issue tracker. Until then the slower "
           "operators of torch serve, with the same results.")


@functools.cache
def is_sound(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernels compute on ``device`` what the definition does; if not, says so once."""
    fault = find_fault(device, dtype)
    if fault:
        _logger.warning("%s %s", fault, _ADVICE)
    return not fault


@functools.cache
def require_sound(device: torch.device, dtype: torch.dtype) -> None:
    """As :func:`is_sound`, for users who ask for the kernels.

    Raises:
        ResNeStError: they raise or differ; the message names the kernel, the device and the
            versions.
    """
    fault = find_fault(device, dtype)
    if fault:
        raise ResNeStError(f"{fault} Unset RESNEST_DENSE_OPS to go on with torch's own operators.")


def find_fault(device: torch.device, dtype: torch.dtype) -> str | None:
    """What the kernels get wrong on ``device``, in one sentence; None where they are right."""
    # What the caller is doing must change neither what is tested nor the other way round.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), \
            torch.inference_mode(False), torch.enable_grad(), \
            torch.autocast(device.type, enabled=False):
        torch.manual_seed(0)
        for layout, affine in _CASES:
            step = "compilation"
            try:
                for step, found, expected in _comparisons(_LAYOUTS[layout], affine, device, dtype):
                    error = _difference(found, expected)
                    if not error <= _TOLERANCES[dtype]:
                        return _fault(f"differ by {error:.2g} in {step}", layout, device, dtype)
            except Exception as error:  # Compilers and drivers raise whatever they like.
                return _fault(
                    f"raise {type(error).__name__} ({str(error)[:200]}) at or after {step}",
                    layout, device, dtype)
    return None


def _comparisons(layout: torch.memory_format, affine: bool, device: torch.device,
                 dtype: torch.dtype) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name of a step, what it gives by the kernels, and by torch."""
    from resnest_dense.ops import triton  # There where Triton is alone.

    wide = torch.float64 if dtype == torch.float64 else torch.float32
    channels = _SHAPE[1]
    x = torch.randn(_SHAPE, device=device).to(dtype).contiguous(memory_format=layout)
    logits = torch.randn(_SHAPE[0], channels, 1, 1, device=device).to(dtype)
    scale, shift = torch.randn(2, channels, device=device).to(wide)
    tensors = [x, logits, *((scale, shift) if affine else ())]
    names = ("pool_kernel", "sum_kernel",
             *(f"weighted_sums_kernel or gradient_kernel (by {name})"
               for name in ("x", "attention", "scale", "shift")))
    yield from zip(names, _attention(triton, tensors), _attention(reference, tensors))
    window = (3, 2, 1, False, True)
    # Not torch's pool on this device: its gradient was wrong up to 2.12, channels-last.
    expected = (t.to(device) for t in _pool(F.avg_pool2d, x.cpu().to(wide), window))
    yield from zip(("avg_pool_kernel", "avg_pool_gradient_kernel"),
                   _pool(triton.avg_pool2d, x, window), expected)
    if affine:
        residual = torch.randn(_SHAPE, device=device).to(dtype).contiguous(memory_format=layout)
        names = ("moments_kernel or normalise_kernel",
                 *(f"normalise_sums_kernel or gradient_kernel (by {name})"
                   for name in ("x", "scale", "shift", "the residual")))
        tensors = [x, scale, shift, residual]
        yield from zip(names, _norm(_by_kernels, tensors), _norm(_by_torch, tensors))


def _attention(module: ModuleType, tensors: list[Tensor]) -> list[Tensor]:
    x, logits, *affine = leaves = [t.detach().requires_grad_() for t in tensors]
    attention = module.radix_attention(logits, _RADIX, 1)
    outputs = [module.radix_pool(x, _RADIX, *affine),
               module.radix_sum(x, attention, _RADIX, *affine)]
    return [*outputs, *torch.autograd.grad([out.float().sin().sum() for out in outputs], leaves)]


def _pool(pool: Callable[..., Tensor], x: Tensor, window: tuple) -> list[Tensor]:
    x = x.detach().requires_grad_()
    out = pool(x, *window)
    return [out, *torch.autograd.grad(out.float().sin().sum(), x)]


def _norm(norm_relu: Callable[..., Tensor], tensors: list[Tensor]) -> list[Tensor]:
    leaves = [t.detach().requires_grad_() for t in tensors]
    out = norm_relu(*leaves)
    return [out, *torch.autograd.grad(out.float().sin().sum(), leaves)]


def _by_kernels(x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor) -> Tensor:
    from resnest_dense.ops import triton

    lazy = triton.LazyMap(x)
    mean, var = lazy.moments()
    lazy.scale = weight * (var + 1e-5).rsqrt()
    lazy.shift = bias - mean * lazy.scale
    return lazy.normalise(residual, relu=True)


def _by_torch(x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor) -> Tensor:
    wide = F.batch_norm(x.to(weight.dtype), None, None, weight, bias, training=True)
    return F.relu(wide + residual).to(x.dtype)


def _difference(found: Tensor, expected: Tensor) -> float:
    found, expected = found.detach().double(), expected.detach().double()
    return float((found - expected).norm() / expected.norm())


def _fault(what: str, layout: str, device: torch.device, dtype: torch.dtype) -> str:
    import triton

    where = str(device)
    if device.type == "cuda":
        where = (f"{torch.cuda.get_device_name(device)} (compute capability "
                 f"{'.'.join(map(str, torch.cuda.get_device_capability(device)))}, driver "
                 f"{_driver_version()})")
    return (f"The Triton kernels of split attention {what}: {dtype}, {layout}, on {where}, torch "
            f"{torch.__version__} (CUDA {torch.version.cuda}), Triton {triton.__version__}.")


def _driver_version() -> str:
    try:
        # Not among torch's stubs.
        return str(torch._C._cuda_getDriverVersion())  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # The report must not fail on what it reports beside.
        return "unknown"
