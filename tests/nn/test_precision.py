"""Training under autocast follows training in float32."""

import pytest
import torch

from resnest_dense import create_backbone


def losses(dtype, steps=10):
    """The loss curve of a small network that learns the mean colour of random images."""
    torch.manual_seed(0)
    net = create_backbone("resnest14", out_features=["res2"], norm="BN")
    head = torch.nn.Conv2d(256, 3, 1)
    optimiser = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=0.02, momentum=0.9)
    images = torch.rand(4, 3, 1, 1).expand(4, 3, 32, 32) + 0.1 * torch.randn(4, 3, 32, 32)
    curve = []
    for _ in range(steps):
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            predicted = head(net(images)["res2"]).float().mean((2, 3))
        loss = (predicted - images.mean((2, 3))).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        curve.append(float(loss.detach()))
    return torch.tensor(curve)


@pytest.fixture(scope="module")
def in_float32():
    return losses(torch.float32)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_the_loss_follows_that_of_float32(dtype, in_float32):
    curve = losses(dtype)
    assert in_float32[-1] < in_float32[0] / 2
    assert (curve - in_float32).abs().max() < 0.1 * in_float32[0]


def test_features_are_of_the_type_of_autocast():
    net = create_backbone("resnest14", out_features=["res2", "res3"])
    with torch.autocast("cpu", torch.bfloat16):
        features = net(torch.randn(2, 3, 32, 32))
    assert {f.dtype for f in features.values()} == {torch.bfloat16}
