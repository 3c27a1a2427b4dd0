"""Norms: one value per channel, several processes, and what freezing keeps."""

import copy
import socket

import pytest
import torch
from sync_worker import make_network, work
from torch import multiprocessing, nn

from resnest_dense import create_backbone
from resnest_dense.nn.norm import make_norm
from resnest_dense.nn.sync_norm import SyncBatchNorm


@pytest.mark.parametrize("norm", ["BN", "SyncBN", nn.BatchNorm2d, nn.SyncBatchNorm])
def test_batch_of_one_trains(norm, caplog):
    net = create_backbone("resnest14", norm=norm)
    before = net.res3[0].conv2.bn1.running_mean.clone()
    net(torch.randn(1, 3, 64, 64))["res5"].square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    assert torch.equal(net.res3[0].conv2.bn1.running_mean, before)
    assert net.res3[0].conv2.bn0.num_batches_tracked == 1


def test_batch_of_one_is_said_once(caplog):
    from resnest_dense.nn import norm as module

    module._say_once_that_running_statistics_serve.cache_clear()
    net = create_backbone("resnest14")
    for _ in range(2):
        net(torch.randn(1, 3, 64, 64))
    assert [r.message for r in caplog.records if "Batch of one image" in r.message].__len__() == 1


def test_batch_of_one_uses_the_running_statistics():
    net = create_backbone("resnest14", out_features=("res2",))
    bn1 = net.res2[0].conv2.bn1
    outputs = []
    bn1.register_forward_pre_hook(lambda m, args: outputs.append("called"))
    x = torch.randn(1, 3, 64, 64)
    expected = net(x)["res2"]
    bn1.eval()
    torch.testing.assert_close(net(x)["res2"], expected)
    assert outputs == ["called"]  # By the frozen pass alone: the first went round it.


def test_two_images_use_the_batch():
    net = create_backbone("resnest14")
    bn1 = net.res2[0].conv2.bn1
    net(torch.randn(2, 3, 64, 64))
    assert bn1.num_batches_tracked == 1 and not torch.equal(bn1.running_mean,
                                                            torch.zeros_like(bn1.running_mean))


@pytest.mark.parametrize("channels,groups", [(64, 32), (80, 16), (96, 32)])
def test_group_norm_takes_as_many_groups_as_divide(channels, groups):
    assert make_norm("GN", channels).num_groups == groups


def test_sync_batch_norm_alone_is_batch_norm():
    plain, sync = nn.BatchNorm2d(4), SyncBatchNorm(4)
    x = torch.randn(3, 4, 5, 5)
    torch.testing.assert_close(sync(x), plain(x), rtol=0, atol=0)
    torch.testing.assert_close(sync.state_dict(), plain.state_dict(), rtol=0, atol=0)


def test_two_cpu_processes_give_what_one_gives(tmp_path):
    """One image in the first process, three in the second: statistics of all four images."""
    x = torch.randn(4, 3, 64, 64).double()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.start_processes(work, (port, x, tmp_path), nprocs=2, start_method="fork")
    gradients, state, first = torch.load(tmp_path / "0.pth")
    others = torch.load(tmp_path / "1.pth")[2]
    net = make_network("BN")
    features = net(x)["res5"]
    features.square().mean((1, 2, 3)).mean().backward()
    torch.testing.assert_close(torch.cat([first, others]), features.detach(), rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(state, net.state_dict(), rtol=1e-9, atol=1e-9)
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-5, atol=1e-8, msg=name)

    # And where a process has no values: those of the other one.
    plain = make_norm("BN", 3)
    expected = plain(x[:2].float())
    for rank, out in ((0, expected.detach()), (1, expected[:0].detach())):
        state, found = torch.load(tmp_path / f"norm{rank}.pth")
        torch.testing.assert_close(found, out)
        torch.testing.assert_close(state, plain.state_dict())


def test_a_batch_without_values_is_nothing_to_learn_from():
    norm = make_norm("SyncBN", 3)
    before = copy.deepcopy(norm.state_dict())
    x = torch.zeros(0, 3, 4, 4, requires_grad=True)
    out = norm(x)
    out.sum().backward()
    assert out.shape == x.shape and not norm.weight.grad.any()
    torch.testing.assert_close(norm.state_dict(), before, rtol=0, atol=0)
