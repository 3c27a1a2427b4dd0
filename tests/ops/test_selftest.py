"""The kernels are tried before they are trusted: what if they raise, differ, or are right."""

import logging
import re

import pytest
import torch

from resnest_dense import ResNeStError
from resnest_dense.ops import dispatch, reference, selftest

triton = pytest.importorskip("resnest_dense.ops.triton")
triton_autograd = pytest.importorskip("resnest_dense.ops.triton_autograd")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _fresh():
    selftest.is_sound.cache_clear()
    selftest.require_sound.cache_clear()
    yield
    selftest.is_sound.cache_clear()
    selftest.require_sound.cache_clear()


def wrong_sum(x, attention, radix, *affine):
    return reference.radix_sum(x, attention, radix, *affine) * 1.01


def broken_pool(*_):
    raise RuntimeError("PassManager::run failed")


class WrongGradient(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return grad * 1.01


def wrong_gradient(x, radix, *affine):
    return reference.radix_pool(WrongGradient.apply(x), radix, *affine)


def nan_moments(x):
    return torch.full((x.shape[1],), float("nan")), torch.ones(x.shape[1])


FAULTS = {
    "radix_sum": (wrong_sum, "differ by 0.01 in sum_kernel"),
    "radix_pool": (broken_pool, "raise RuntimeError .PassManager::run failed"),
    "_moments": (nan_moments, "differ by nan in moments_kernel"),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_right_kernels_are_trusted(dtype):
    assert selftest.find_fault(CPU, dtype) is None


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_warning_with_what_to_report(name, monkeypatch, caplog):
    replacement, said = FAULTS[name]
    module = triton if hasattr(triton, name) else triton_autograd
    monkeypatch.setattr(module, name, replacement)
    with caplog.at_level(logging.WARNING):
        assert not selftest.is_sound(CPU, torch.float32)
        assert not selftest.is_sound(CPU, torch.float32)
    (record,) = caplog.records
    message = record.getMessage()
    assert re.search(said, message), message
    for named in ("torch.float32", "channels", "cpu", torch.__version__, "Triton", "report"):
        assert named in message


def test_a_wrong_gradient_is_found_too(monkeypatch):
    monkeypatch.setattr(triton, "radix_pool", wrong_gradient)
    assert "gradient_kernel (by x)" in selftest.find_fault(CPU, torch.float32)


def test_who_asks_for_the_kernels_gets_an_error(monkeypatch):
    monkeypatch.setattr(triton, "radix_sum", wrong_sum)
    with pytest.raises(ResNeStError, match="sum_kernel.*Unset RESNEST_DENSE_OPS"):
        selftest.require_sound(CPU, torch.float32)


class OnCuda:
    """What the choice asks of a tensor."""

    is_cuda, dtype, device, requires_grad = True, torch.float32, torch.device("cuda", 0), False


@pytest.mark.parametrize("sound", [True, False])
def test_the_choice_on_cuda_follows_the_test(sound, monkeypatch):
    monkeypatch.setattr(dispatch, "is_sound", lambda device, dtype: sound)
    with dispatch.forced(None):
        assert dispatch.choose(OnCuda()) is (triton if sound else reference)


def test_nothing_of_the_caller_changes(monkeypatch):
    before = torch.random.get_rng_state()
    with torch.inference_mode():
        assert selftest.find_fault(CPU, torch.float32) is None
    assert torch.equal(torch.random.get_rng_state(), before)
