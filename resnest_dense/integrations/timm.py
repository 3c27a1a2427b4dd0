"""The networks in timm's registry, as ``resnest_dense_<name>``: for ``timm.create_model`` and what
builds on it: ``tu-`` encoders of segmentation_models_pytorch, Hugging Face's timm backbones.

    import resnest_dense.integrations.timm
    timm.create_model("resnest_dense_resnest50", pretrained=True, features_only=True)
"""

from functools import partial
from typing import Any

from timm.models import build_model_with_cfg, register_model
from torch import Tensor, nn

from resnest_dense.architectures import get_architecture, list_architectures
from resnest_dense.imagenet.preparation import BORDER, preparation_of
from resnest_dense.nn import Classifier, ResNeSt
from resnest_dense.nn.stages import STAGE_NAMES, plan_stages
from resnest_dense.weights import catalog, load

__all__ = ["TimmClassifier"]

class TimmClassifier(Classifier):
    """The classifier as timm expects its models; ``feature_info`` is in timm's form.

    Args:
        name: one of :func:`resnest_dense.list_architectures`.
        pretrained: loads the published weights of that name.
        num_classes: 0 for none: pooled features come out, (N, num_features).
        in_chans: channels of the image.
        drop_rate: share of the pooled features that training leaves out.
        options: as for :class:`resnest_dense.ResNeSt`: ``output_stride``, ``norm``, ...

    Raises:
        ResNeStError: no published weights of that name, or other arguments as in
            :class:`resnest_dense.ResNeSt`.
    """

    def __init__(self, name: str, *, pretrained: bool = False, num_classes: int = 1000,
                 in_chans: int = 3, drop_rate: float = 0.0, output_stride: int = 32,
                 dilated_form: str = "official", **options: Any):
        super().__init__(get_architecture(name), num_classes=max(num_classes, 1), dropout=drop_rate,
                         in_channels=in_chans, output_stride=output_stride,
                         dilated_form=dilated_form, **options)
        if pretrained:
            load(self, name)
        self.num_features = self.head_hidden_size = self.linear.in_features
        if not num_classes:
            self.reset_classifier(0)
        # A row a stride, by the module that timm listens to: the stem before its max-pool first.
        *_, last = (part for part, _ in self.stem.named_children())
        stem, stride = get_architecture(name).stem_channels, 4
        self.feature_info: Any = [dict(num_chs=stem, reduction=2, module=f"stem.{last}")]
        for i, plan in enumerate(plan_stages(output_stride, dilated_form)):
            stride *= plan.stride
            channels = self.num_features >> (3 - i)  # They double from stage to stage.
            self.feature_info.append(dict(num_chs=channels, reduction=stride,
                                          module=STAGE_NAMES[i]))

    @property
    def num_classes(self) -> int:
        """0 where the pooled features come out."""
        return getattr(self.linear, "out_features", 0)

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.linear

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new last layer, or none for 0 classes. The average is the only pooling."""
        layer: Any = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        self.linear = layer

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> (N, num_features, H / 32, W / 32)"""
        return ResNeSt.forward(self, x)["res5"]


def _input_of(name: str) -> dict[str, Any]:
    """What timm's transforms are made from: how the published weights were measured."""
    entry = catalog.get(name) if name in catalog.names() else None
    preparation = preparation_of(entry.file if entry else name, name,
                                 entry.contract if entry else None)
    contract, side = preparation.contract.scaled(1), preparation.crop
    return dict(url="", num_classes=1000, input_size=(3, side, side), mean=contract.mean,
                std=contract.std, interpolation=preparation.interpolation,
                crop_pct=side / (side + BORDER), classifier="linear")


# timm reads it when a network is registered.
default_cfgs = {f"resnest_dense_{name}": _input_of(name) for name in list_architectures()}


def _register(name: str) -> None:
    def create(pretrained: bool = False, **options: Any) -> nn.Module:
        # Its own weights are fetched, checked and reported by this package, not by timm.
        make = partial(TimmClassifier, name, pretrained=pretrained)
        return build_model_with_cfg(make, create.__name__, False,
                                    feature_cfg={"feature_cls": "hook"}, **options)

    create.__name__ = f"resnest_dense_{name}"
    register_model(create)


for _name in list_architectures():
    _register(_name)
