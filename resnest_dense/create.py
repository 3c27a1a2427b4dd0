"""A backbone or a classifier by name, with weights if wanted."""

from collections.abc import Sequence

from resnest_dense.architectures import get_architecture
from resnest_dense.errors import require_counts
from resnest_dense.nn import Classifier, Deformable, ResNeSt
from resnest_dense.nn.norm import Norm
from resnest_dense.nn.stages import STAGE_NAMES
from resnest_dense.weights import load
from resnest_dense.weights.source import Source

__all__ = ["create_backbone", "create_classifier"]


def create_backbone(name: str, *, norm: Norm = "BN", out_features: Sequence[str] = STAGE_NAMES,
                    in_channels: int = 3, output_stride: int = 32, dilated_form: str = "official",
                    freeze_at: int = 0, deform: Deformable | None = None,
                    checkpoint_stages: Sequence[str] = (), compile: bool = False,
                    weights: Source | None = None) -> ResNeSt:
    """The named ResNeSt; arguments as in :class:`resnest_dense.ResNeSt`.

    Args:
        name: one of :func:`resnest_dense.list_architectures`.
        weights: what :func:`resnest_dense.weights.load` takes (a name in the catalog, a path, an
            address, a state dict); None initialises as the official code does.

    Raises:
        ResNeStValueError: an unknown name, or as :class:`resnest_dense.ResNeSt`.
        ResNeStError: weights that cannot be read or that are of another network.
    """
    net = ResNeSt(
        get_architecture(name), norm=norm, out_features=out_features, in_channels=in_channels,
        output_stride=output_stride, dilated_form=dilated_form, freeze_at=freeze_at, deform=deform,
        checkpoint_stages=checkpoint_stages, compile=compile,
    )
    if weights is not None:
        load(net, weights)
    return net


def create_classifier(name: str, num_classes: int = 1000, weights: Source | None = None, *,
                      norm: Norm = "BN", in_channels: int = 3, dropout: float = 0.0,
                      compile: bool = False) -> Classifier:
    """The named network with an ImageNet classifier, see :class:`resnest_dense.nn.Classifier`.

    Args:
        name: one of :func:`resnest_dense.list_architectures`.
        num_classes: number of classes; where the weights have another, the last layer stays random,
            and the report says so.
        weights: as in :func:`create_backbone`; a file without a classifier is refused.
        norm: as in :func:`create_backbone`.
        in_channels: channels of the image.
        dropout: before the last layer, in training.
        compile: as in :func:`create_backbone`.

    Raises:
        ResNeStValueError: an unknown name, or fewer classes than 1.
        ResNeStError: weights that cannot be read or that are of another network.
    """
    require_counts(num_classes=num_classes)
    net = Classifier(get_architecture(name), num_classes=num_classes, dropout=dropout, norm=norm,
                     in_channels=in_channels, compile=compile)
    if weights is not None:
        load(net, weights)
    return net
