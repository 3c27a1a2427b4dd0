"""The official torch network and the names of its parameters, for the parity tests."""

import re
import sys
from importlib import import_module

import torch
from resnest.torch.models.resnet import Bottleneck, ResNet

from resnest_dense import get_architecture

_RENAMES = (
    (r"^conv1\.0\.", "stem.conv1_1."),
    (r"^conv1\.1\.", "stem.conv1_1.norm."),
    (r"^conv1\.3\.", "stem.conv1_2."),
    (r"^conv1\.4\.", "stem.conv1_2.norm."),
    (r"^conv1\.6\.", "stem.conv1_3."),
    (r"^bn1\.", "stem.conv1_3.norm."),
    (r"^layer1\.", "res2."),
    (r"^layer2\.", "res3."),
    (r"^layer3\.", "res4."),
    (r"^layer4\.", "res5."),
    (r"^(res\d\.\d+)\.bn1\.", r"\1.conv1.norm."),
    (r"\.bn3\.", ".conv3.norm."),
    (r"\.downsample\.1\.", ".shortcut."),
    (r"\.downsample\.2\.", ".shortcut.norm."),
)


def official_network(name, output_stride=32):
    """The official torch network of one of our names, its weights and statistics randomised."""
    return official_of(get_architecture(name), output_stride)


def official_of(a, output_stride=32):
    """That of an architecture with split attention."""
    dilated = {32: {}, 16: {"dilation": 2}, 8: {"dilated": True}}[output_stride]
    net = ResNet(Bottleneck, list(a.blocks), radix=a.radix, groups=a.cardinality,
                 bottleneck_width=a.bottleneck_width, deep_stem=a.deep_stem,
                 stem_width=a.stem_width, avg_down=a.avg_down, avd=a.avd, avd_first=a.avd_first,
                 **dilated)
    randomise_statistics(net)
    return net


def randomise_statistics(net):
    """Norms that do something: the official initialisation leaves them the identity."""
    for module in net.modules():
        if hasattr(module, "running_mean"):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)


def official_features(net, x):
    """Its four feature maps under our names."""
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    features = {}
    for i in range(1, 5):
        features[f"res{i + 1}"] = x = getattr(net, f"layer{i}")(x)
    return features


def ours_from_official(name):
    """Our name of a parameter of the official torch network; None for the classifier's."""
    if name.startswith("fc."):
        return None
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def official_state_dict(net):
    """Its state dict under our names, without the classifier."""
    renamed = {ours_from_official(k): v for k, v in net.state_dict().items()}
    renamed.pop(None)
    return renamed


def official_wrapper():
    """The module ``resnest.d2.resnest``. Its builders have the names of ours in detectron2's
    registry, so they are taken out before and put back after the import.
    """
    if "resnest.d2.resnest" in sys.modules:
        return sys.modules["resnest.d2.resnest"]
    from detectron2.modeling import BACKBONE_REGISTRY

    taken = {k: BACKBONE_REGISTRY._obj_map.pop(k, None)
             for k in ("build_resnest_backbone", "build_resnest_fpn_backbone")}
    module = import_module("resnest.d2.resnest")
    for key, builder in taken.items():
        if builder is not None:
            BACKBONE_REGISTRY._obj_map[key] = builder
    return module


def plain_for_deformable(monkeypatch):
    """Gives the official wrapper plain convolutions for detectron2's compiled deformable ones:
    their parameters are the same.
    """
    class Plain(torch.nn.Conv2d):
        def __init__(self, *args, deformable_groups, **kwargs):
            super().__init__(*args, **kwargs)

    for name in ("DeformConv", "ModulatedDeformConv"):
        monkeypatch.setattr(official_wrapper(), name, Plain)
