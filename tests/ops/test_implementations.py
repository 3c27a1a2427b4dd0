"""Every implementation of split attention against the definition: values and gradients."""

import itertools

import pytest
import torch

from resnest_dense import ResNeStError, ops
from resnest_dense.ops import cpu, dispatch, reference

TOLERANCES = {torch.float64: 1e-10, torch.float32: 2e-5, torch.bfloat16: 3e-2, torch.float16: 4e-3}
LAYOUTS = {"contiguous": lambda x: x,
           "channels last": lambda x: x.to(memory_format=torch.channels_last),
           "neither": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3)}


@pytest.fixture(params=["cpu", "triton"])
def implementation(request):
    """A fast implementation by name. Triton's kernels run on a GPU where there is one (the test's
    tensors are made there), else in its interpreter."""
    if request.param == "triton":
        pytest.importorskip("triton")
    on_gpu = request.param == "triton" and torch.cuda.is_available()
    with ops.forced(request.param), torch.device("cuda" if on_gpu else "cpu"):
        yield dispatch.choose(torch.zeros(0))


def inputs(radix, cardinality=1, *, shape=(2, 5, 7), channels=6, dtype=torch.float32, affine=True,
           layout="contiguous", gradients=True):
    """x, logits, scale, shift with values that every type holds exactly enough."""
    width = channels * cardinality * radix
    x = LAYOUTS[layout](torch.randn(shape[0], width, *shape[1:]).to(dtype))
    rest = [torch.randn(shape[0], width, 1, 1).to(dtype)]
    if affine:
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        rest += [torch.randn(width).to(wide), torch.randn(width).to(wide)]
    return [t.requires_grad_(gradients) for t in (x, *rest)]


def both_steps(module, radix, cardinality, x, logits, *affine):
    """The two steps with what they put out, as a block uses them."""
    attention = module.radix_attention(logits, radix, cardinality)
    pooled = module.radix_pool(x, radix, *affine)
    return pooled, module.radix_sum(x, attention, radix, *affine)


def assert_equal(module, tensors, radix, cardinality=1):
    """Values, and gradients by every tensor, of one random functional of both outputs."""
    results = []
    for candidate in (module, reference):
        leaves = [t.detach().requires_grad_() for t in tensors]
        outputs = both_steps(candidate, radix, cardinality, *leaves)
        torch.manual_seed(1)
        loss = sum((o * torch.randn(o.shape).to(o)).sum() for o in outputs)
        results.append([*outputs, *torch.autograd.grad(loss, leaves)])
    tolerance = TOLERANCES[tensors[0].dtype]
    for ours, expected in zip(*results):
        assert ours.dtype == expected.dtype and ours.shape == expected.shape
        scale = max(float(expected.detach().abs().max()) if expected.numel() else 0.0, 1.0)
        torch.testing.assert_close(ours, expected, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("radix,cardinality", itertools.product((1, 2, 4), (1, 2, 4)))
def test_any_radix_and_cardinality(implementation, radix, cardinality, affine):
    tensors = inputs(radix, cardinality, affine=affine, channels=2, shape=(2, 3, 5))
    assert_equal(implementation, tensors, radix, cardinality)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_any_type_and_layout(implementation, dtype, layout):
    assert_equal(implementation, inputs(2, dtype=dtype, layout=layout), 2)


@pytest.mark.parametrize("shape,channels", [
    ((1, 1, 1), 6), ((1, 9, 3), 1), ((1, 1, 1), 130), ((1, 67, 65), 3), ((0, 4, 4), 6),
], ids=str)
@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
def test_odd_sizes_and_no_image_at_all(implementation, shape, channels, layout):
    assert_equal(implementation, inputs(2, shape=shape, channels=channels, layout=layout), 2)


@pytest.mark.parametrize("radix", [1, 2, 3])
def test_gradients_by_differences(implementation, radix):
    tensors = inputs(radix, shape=(1, 2, 1), channels=1, dtype=torch.float64)

    def steps(*tensors):
        return both_steps(implementation, radix, 1, *tensors)

    torch.autograd.gradcheck(steps, tensors)


def test_inference_takes_other_shortcuts_to_the_same_values(implementation):
    for radix, layout in itertools.product((1, 2, 4), LAYOUTS):
        tensors = inputs(radix, layout=layout, gradients=False)
        with torch.no_grad():
            for ours, expected in zip(both_steps(implementation, radix, 1, *tensors),
                                      both_steps(reference, radix, 1, *tensors)):
                torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_a_tensor_that_needs_no_gradient_gets_none(implementation):
    x, logits, *affine = inputs(2)
    _, out = both_steps(implementation, 2, 1, x.detach(), logits, *(a.detach() for a in affine))
    out.sum().backward()
    assert logits.grad is not None and x.grad is None


@pytest.mark.parametrize("affine", [False, True])
def test_what_is_not_a_number_stays_none(implementation, affine):
    x, logits, *rest = inputs(2, affine=affine, gradients=False)
    x[0, 1, 2, 3] = float("nan")
    pooled, out = both_steps(implementation, 2, 1, x, logits, *rest)
    assert pooled[0, 1].isnan().all() and out[0, 1, 2, 3].isnan()
    assert pooled.isnan().sum() == out.isnan().sum() == 1


def test_channels_last_stays(implementation):
    x, logits, *affine = inputs(2, layout="channels last")
    _, out = both_steps(implementation, 2, 1, x, logits, *affine)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_an_unknown_implementation_lists_the_known():
    with ops.forced("tritn"), pytest.raises(ResNeStError, match="triton.*reference, cpu, triton"):
        ops.radix_pool(torch.zeros(1, 2, 3, 3), 2)


def test_what_serves_a_cpu():
    x = torch.zeros(1, requires_grad=True)
    with ops.forced(None):
        assert dispatch.choose(x) is cpu and dispatch.choose(x.double()) is reference
        assert dispatch.choose(x.detach()) is reference
        assert dispatch.choose(x.detach(), folded=True) is cpu
