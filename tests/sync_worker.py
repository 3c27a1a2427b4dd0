"""What each process of the synchronised batch norm test does, which imports it by name."""

import torch
import torch.distributed as dist
from torch import nn

from resnest_dense import create_backbone
from resnest_dense.nn.norm import make_norm

SPLITS = ((0, 1), (1, 4))


def make_network(norm):
    """The same weights in every process and for every norm."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), make_norm(norm, 4), nn.ReLU(),
                         create_backbone("resnest14", norm=norm, in_channels=4)).double()


def work(rank, port, x, folder):
    """One step on this process's images; saves gradients, state and features."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    net = make_network("SyncBN")
    model = nn.parallel.DistributedDataParallel(net)
    features = model(x[slice(*SPLITS[rank])])["res5"]
    # DistributedDataParallel averages over the two processes.
    (features.square().mean((1, 2, 3)).sum() * 2 / len(x)).backward()
    gradients = {name: p.grad for name, p in net.named_parameters()}
    norm = make_norm("SyncBN", 3)
    own = x[:2] if rank == 0 else x[:0]  # The second process has no objects.
    out = norm(own.float())
    out.square().sum().backward()
    torch.save((gradients, net.state_dict(), features.detach()), folder / f"{rank}.pth")
    torch.save((norm.state_dict(), out.detach()), folder / f"norm{rank}.pth")
    dist.destroy_process_group()
