"""Networks on a GPU put out what they put out on a CPU in float64, and so do their gradients."""

import copy

import pytest
import torch

from resnest_dense import Deformable, create_backbone, ops

# Largest difference (2-norm) of feature maps and of a gradient from those in float64. Batch norms
# over the few values of a small image magnify rounding.
TOLERANCES = {torch.float64: (1e-9, 1e-7), torch.float32: (1e-4, 1e-2), torch.bfloat16: (0.1, None)}
FORMS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


@pytest.fixture(params=["triton", "reference"])
def implementation(request):
    with ops.forced(request.param):
        yield


def settled(name, **options):
    """A network whose statistics fit its weights, and whose blocks add little to what they get."""
    net = create_backbone(name, **options)
    norms = {n: m for n, m in net.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    for key, norm in norms.items():
        torch.nn.init.uniform_(norm.weight, *((0.1, 0.3) if "conv3" in key else (0.5, 1.5)))
        torch.nn.init.normal_(norm.bias, 0, 0.1)
        norm.momentum = 1.0
    with torch.no_grad(), ops.forced(None):
        net(torch.randn(4, 3, 128, 128))
    for norm in norms.values():
        norm.momentum = 0.1
    return net


def relative_difference(found, expected):
    found, expected = found.detach().cpu().double(), expected.detach().cpu().double()
    return float((found - expected).norm() / expected.norm().clamp(min=1e-12))


def run(net, x, dtype=torch.float64, gradients=False):
    """Feature maps, and the gradient by the first weight."""
    net.zero_grad()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        features = net(x)
    features = {name: value for name, value in features.items()}
    if gradients:
        sum(value.double().square().mean() for value in features.values()).backward()
        features["gradient"] = net.stem.conv1_1.weight.grad.clone()
    return features


def assert_same(net, device, dtype, form=torch.contiguous_format, trains=False,
                size=(2, 3, 97, 131)):
    x = torch.randn(size)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    there = copy.deepcopy(net).to(device, wide, memory_format=form).train(trains)
    net = copy.deepcopy(net).double().train(trains)
    with ops.forced("reference"):
        expected = run(net, x.double(), gradients=trains)
    found = run(there, x.to(device, wide).to(memory_format=form), dtype, gradients=trains)
    for name, value in expected.items():
        allowed = TOLERANCES[dtype][name == "gradient"]
        if allowed is not None:
            assert relative_difference(found[name], value) < allowed, name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("trains", [False, True], ids=["eval", "train"])
def test_resnest14(device, implementation, dtype, form, trains):
    assert_same(settled("resnest14"), device, dtype, FORMS[form], trains)


@pytest.mark.parametrize("name", ["resnest50", "resnest101", "resnest50_fast_4s2x40d",
                                  "resnest50_fast_1s1x64d"])
@pytest.mark.parametrize("trains", [False, True], ids=["eval", "train"])
def test_large_ones_in_float32(device, name, trains):
    assert_same(settled(name), device, torch.float32, torch.channels_last, trains)


@pytest.mark.parametrize("norm", ["SyncBN", "FrozenBN", "GN"])
def test_norms(device, norm):
    assert_same(create_backbone("resnest14", norm=norm), device, torch.float32,
                trains=norm != "SyncBN")


def test_sync_batch_norm_of_one_process_is_batch_norm(device):
    plain = settled("resnest14").to(device)
    sync = create_backbone("resnest14", norm="SyncBN").to(device)
    sync.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 97, 131, device=device)
    found, expected = (run(net, x, gradients=True) for net in (sync, plain))
    for name, value in expected.items():
        most = 1e-2 if name == "gradient" else 1e-4
        assert relative_difference(found[name], value) < most, name


@pytest.mark.parametrize("modulated", [False, True])
def test_deformable_convolutions(device, modulated):
    net = settled("resnest14", deform=Deformable(modulated=modulated))
    assert_same(net, device, torch.float32, trains=True)
    assert_same(net, device, torch.bfloat16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_fused(device, dtype):
    net = settled("resnest50").eval()
    x = torch.randn(2, 3, 97, 131)
    fused = copy.deepcopy(net).to(device).fused().to(dtype)
    with torch.no_grad():
        expected = net.double()(x.double())
        found = fused(x.to(device, dtype))
    for name, value in expected.items():
        assert relative_difference(found[name], value) < TOLERANCES[dtype][0], name


@pytest.mark.parametrize("trains", [False, True], ids=["eval", "train"])
def test_compiled(device, trains):
    plain = settled("resnest14", out_features=("res3",))
    compiled = create_backbone("resnest14", out_features=("res3",), compile=True)
    compiled.load_state_dict(plain.state_dict())
    assert_same_twins(plain, compiled.to(device).train(trains), device, trains)


def test_compiled_and_fused(device):
    plain = settled("resnest14", out_features=("res3",))
    compiled = create_backbone("resnest14", out_features=("res3",), compile=True)
    compiled.load_state_dict(plain.state_dict())
    assert_same_twins(plain, compiled.to(device).fused(), device, trains=False)


def assert_same_twins(plain, there, device, trains):
    with torch.set_grad_enabled(trains):
        for size in ((2, 3, 97, 131), (2, 3, 64, 96)):
            x = torch.randn(size)
            expected = copy.deepcopy(plain).double().train(trains)(x.double())["res3"]
            assert relative_difference(there(x.to(device))["res3"], expected) < 1e-4


def test_a_training_step_with_checkpointing_gives_the_same_gradient(device):
    plain = settled("resnest14").to(device)
    stages = ("res2", "res3", "res4", "res5")
    kept = create_backbone("resnest14", checkpoint_stages=stages).to(device)
    kept.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 97, 131, device=device)
    found, expected = (run(net, x, gradients=True) for net in (kept, plain))
    assert relative_difference(found["gradient"], expected["gradient"]) < 1e-3


def test_the_same_twice_in_a_row(device):
    """Nothing that programs finish in another order may show."""
    if device.type == "cuda":
        net = settled("resnest14").to(device).eval()
        x = torch.randn(2, 3, 97, 131, device=device)
        with torch.no_grad():
            first = net(x)
            assert all(torch.equal(net(x)[name], value) for name, value in first.items())
