"""Whole models for inference: the backbone fused, norms of necks and heads folded where exact."""

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from resnest_dense.inference.folded import FoldedConv2d
from resnest_dense.ops.affine import constant_affine

__all__ = ["fuse"]


def fuse(model: nn.Module) -> nn.Module:
    """A copy of a detectron2 or MMSegmentation model (or any other) for inference, faster and with
    the same results. Fuse after loading weights: names of its state dict change.

    Folded are: our backbones (:meth:`resnest_dense.ResNeSt.fused`), detectron2's ``Conv2d`` with
    its norm and ReLU, OpenMMLab's ``ConvModule``, and batch norms behind a convolution in a
    Sequential. Norms that depend on their input (GN, LN) stay.

    Args:
        model: the model; it is not changed.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    fused: dict[nn.Module, nn.Module] = {}
    model = _fuse(model, fused)
    _update_lists(model, fused)
    # Not among torch's stubs.
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _fuse(module: nn.Module, fused: dict[nn.Module, nn.Module]) -> nn.Module:
    """What takes the place of ``module``, under each name that it has."""
    if module not in fused:
        fused[module] = _fused_form(module, fused)
    return fused[module]


def _fused_form(module: Any, fused: dict[nn.Module, nn.Module]) -> nn.Module:
    if hasattr(module, "fused"):  # A backbone of ours.
        return module.fused()
    if _is_detectron2_conv(module):
        return FoldedConv2d(module, module.norm, relu=module.activation is not None)
    if _is_conv_module(module):
        return _fold_conv_module(module)
    for name, child in module._modules.items():
        if child is not None:
            module._modules[name] = _fuse(child, fused)
    if isinstance(module, nn.Sequential):
        _fold_neighbours(module)
    return module


def _update_lists(model: nn.Module, fused: dict[nn.Module, nn.Module]) -> None:
    """detectron2's FPN calls its convolutions from lists, which torch does not see."""
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, list):
                value[:] = [fused.get(item, item) if isinstance(item, nn.Module) else item
                            for item in value]


def _is_detectron2_conv(module: Any) -> bool:
    """detectron2's Conv2d, with a norm that can be folded or a ReLU or both or neither behind it.
    """
    if not (isinstance(module, nn.Conv2d) and hasattr(module, "norm")
            and hasattr(module, "activation")):
        return False
    norm: Any = module.norm
    activation: Any = module.activation
    relu = activation in (F.relu, F.relu_, torch.relu) or isinstance(activation, nn.ReLU)
    constant = norm is None or constant_affine(norm) is not None
    return constant and (relu or activation is None)


def _is_conv_module(module: Any) -> bool:
    """OpenMMLab's ConvModule in its usual order, with a norm that can be folded."""
    return (getattr(module, "order", None) == ("conv", "norm", "act") and module.with_norm
            and type(module.conv) is nn.Conv2d and constant_affine(module.norm) is not None)


def _fold_conv_module(module: Any) -> nn.Module:
    relu = module.with_activation and isinstance(module.activate, nn.ReLU)
    module.conv = FoldedConv2d(module.conv, module.norm, relu=relu)
    setattr(module, module.norm_name, nn.Identity())
    if relu:
        module.activate = nn.Identity()
    return module


def _fold_neighbours(sequence: nn.Sequential) -> None:
    names = list(sequence._modules)
    for name, following in zip(names, names[1:]):
        conv, norm = sequence._modules[name], sequence._modules[following]
        if type(conv) is nn.Conv2d and isinstance(norm, _BatchNorm) and constant_affine(norm):
            setattr(sequence, name, FoldedConv2d(conv, norm, relu=False))
            setattr(sequence, following, nn.Identity())
