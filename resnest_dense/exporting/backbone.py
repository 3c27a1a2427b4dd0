"""A network by its name as what is exported: its feature maps."""

from collections.abc import Sequence

from torch import Tensor, nn

from resnest_dense.create import create_backbone
from resnest_dense.exporting.subject import Options, Subject, input_of, normalised
from resnest_dense.runtime.contract import Classes, Contract, Resize
from resnest_dense.weights import load
from resnest_dense.weights.contract import IMAGENET

__all__ = ["Features", "backbone_subject"]


class Features(nn.Module):
    """A backbone, of either framework or of none, with its maps in a tuple.

    Shape:
        (N, 3, H, W) -> (N, C_i, H_i, W_i) of each name
    """

    def __init__(self, backbone: nn.Module, names: Sequence[str]):
        super().__init__()
        self.backbone, self.names = backbone, tuple(names)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        found = self.backbone(images)
        return found if isinstance(found, tuple) else tuple(found[name] for name in self.names)


def backbone_subject(name: str, checkpoint: str, options: Options) -> Subject:
    """The network of an architecture, with weights.

    Raises:
        ResNeStError: no such weights, or weights of another network.
    """
    net = create_backbone(name)
    given = (load(net, checkpoint).contract or IMAGENET).scaled(255)
    net.eval()
    contract = Contract(task="features", classes=Classes(), resize=Resize("none"),
                        **input_of(given.channel_order, given.mean, given.std, options))
    graph = Features(net.fused() if options.fused else net, net.out_features)
    return Subject("backbone", normalised(graph.eval(), contract), net.out_features, contract,
                   Features(net, net.out_features))
