"""The backbone: a stem and four stages, from an image to feature maps by name."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from resnest_dense.architectures import Architecture
from resnest_dense.errors import ResNeStValueError, near, require_counts, require_switches
from resnest_dense.inference.compile import compile_part
from resnest_dense.inference.folded import Copy, fold_layers
from resnest_dense.inference.traced import Traced
from resnest_dense.nn.bottleneck import EXPANSION, Bottleneck
from resnest_dense.nn.memory import run_checkpointed
from resnest_dense.nn.norm import Norm, freeze_batch_norms
from resnest_dense.nn.spatial.deform import Deformable
from resnest_dense.nn.stages import STAGE_NAMES, StagePlan, plan_stages
from resnest_dense.nn.stem import Stem
from resnest_dense.ops.grouped import half_on_cuda

__all__ = ["ResNeSt"]

FEATURE_NAMES = ("stem", *STAGE_NAMES)
_PLANES = (64, 128, 256, 512)


class ResNeSt(nn.Module):
    """ResNeSt feature extractor (arXiv 2004.08955), parameters named as in the official detectron2
    wrapper (recipes.md 3.2). Stages after the last one asked for are not built.

    Args:
        architecture: what the network is like.
        norm: "BN", "SyncBN", "FrozenBN", "GN", "" (none) or a callable ``channels -> Module``.
        out_features: names out of "stem", "res2", "res3", "res4", "res5".
        in_channels: channels of the image.
        output_stride: stride of res5: 32, 16 or 8.
        dilated_form: "official", "mmseg" or "detectron2", see
            :func:`resnest_dense.nn.stages.plan_stages`; matters below output stride 32 only.
        freeze_at: 0 trains everything, 1 freezes the stem, 2 the stem and res2, up to 5.
        deform: None, or which stages have deformable 3x3 convolutions.
        checkpoint_stages: names of the stages whose activations are recomputed in backward.
        compile: whether ``torch.compile`` compiles the stem and each stage, when they first run;
            stages that are checkpointed while training run as they are.

    Shape:
        (N, in_channels, H, W) -> {name: (N, C_name, ceil(H / s_name), ceil(W / s_name))}

    Raises:
        ResNeStValueError: a value outside those listed, or a feature named twice; an input of
            another rank, type or number of channels.
    """

    def __init__(self, architecture: Architecture, *, norm: Norm = "BN",
                 out_features: Sequence[str] = STAGE_NAMES, in_channels: int = 3,
                 output_stride: int = 32, dilated_form: str = "official", freeze_at: int = 0,
                 deform: Deformable | None = None, checkpoint_stages: Sequence[str] = (),
                 compile: bool = False):
        super().__init__()
        if not isinstance(architecture, Architecture):
            raise ResNeStValueError(f"architecture={architecture!r}: give an Architecture, or call "
                                    "resnest_dense.create_backbone with its name.")
        _check_names("out_features", out_features, FEATURE_NAMES)
        _check_names("checkpoint_stages", checkpoint_stages, STAGE_NAMES)
        if not out_features or len(set(out_features)) < len(out_features):
            raise ResNeStValueError(f"out_features={list(out_features)}: name some of "
                                    f"{FEATURE_NAMES}, each once.")
        if type(freeze_at) is not int or freeze_at not in range(len(FEATURE_NAMES) + 1):
            raise ResNeStValueError(f"freeze_at={freeze_at!r}: use a whole number from 0 to 5.")
        if deform is not None and not isinstance(deform, Deformable):
            raise ResNeStValueError(f"deform={deform!r}: use None or resnest_dense.Deformable().")
        require_counts(in_channels=in_channels)
        require_switches(compile=compile)

        self.in_channels = in_channels
        self.out_features = tuple(out_features)
        self.checkpoint_stages = tuple(checkpoint_stages)
        self.stem = Stem(in_channels, architecture, norm=norm)
        channels, stride = {"stem": architecture.stem_channels}, {"stem": 4}
        reached = architecture.stem_channels
        last = max(map(FEATURE_NAMES.index, out_features))
        plans = plan_stages(output_stride, dilated_form)
        for i, name in enumerate(STAGE_NAMES[:last]):
            stage = _make_stage(reached, i, architecture, plans[i], norm=norm,
                                deform=deform if deform and name in deform.stages else None)
            self.add_module(name, stage)
            reached = channels[name] = _PLANES[i] * EXPANSION
            stride[name] = stride[FEATURE_NAMES[i]] * plans[i].stride
        self.feature_info = {name: (channels[name], stride[name]) for name in self.out_features}
        for name in FEATURE_NAMES[:freeze_at]:
            if hasattr(self, name):
                freeze_batch_norms(getattr(self, name))
        self.channels_last = False
        self.compiled = compile
        if compile:
            self._compile()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        self._check_input(x)
        # Matrix units take maps channels-last: in the other layout, cuDNN converts each one.
        if self.channels_last or half_on_cuda(x):
            x = x.contiguous(memory_format=torch.channels_last)
        features = {}
        for name in FEATURE_NAMES:
            part = getattr(self, name, None)
            if part is None:
                break
            recompute = name in self.checkpoint_stages and self.training
            x = run_checkpointed(part, x) if recompute else part(x)
            if name in self.out_features:
                features[name] = x
        return {name: features[name] for name in self.out_features}

    def fused(self) -> "ResNeSt":
        """A copy for inference that puts out the same, faster: constant norms folded,
        channels-last, residuals and ReLUs inside the convolutions (on a CPU). GN cannot be folded,
        and stays. Its state dict has other names than a ResNeSt's: fuse after loading.
        """
        net = copy.deepcopy(self).eval().requires_grad_(False)
        for stage in (getattr(net, name) for name in STAGE_NAMES if hasattr(net, name)):
            # A folded convolution overwrites what it adds; elsewhere that is the output of the
            # block before, which nobody else has.
            stage[0].shortcut = stage[0].shortcut or Copy()
        fold_layers(net)
        net.channels_last = True
        if self.compiled:
            # The copy is for inference alone, so its weights are constants to the compiler.
            net._compile(constant=True)
        # Not among torch's stubs.
        return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __prepare_scriptable__(self) -> nn.Module:
        return Traced(self, self.in_channels)  # what torch.jit.script takes instead

    def _compile(self, *, constant: bool = False) -> None:
        for name, part in self.named_children():
            compile_part(part, name, constant=constant)

    def _check_input(self, x: Tensor) -> None:
        if torch.jit.is_tracing():  # which would take a comparison of sizes for a constant
            return
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ResNeStValueError(
                f"ResNeSt got an input of shape {tuple(x.shape)}; it takes (N, {self.in_channels}, "
                "H, W). Add the batch dimension, or build it with another in_channels."
            )
        if not x.is_floating_point():
            raise ResNeStValueError(
                f"ResNeSt got an input of type {x.dtype}; it takes floats: normalise the image "
                "first."
            )


def _make_stage(in_channels: int, index: int, architecture: Architecture, plan: StagePlan, *,
                norm: Norm, deform: Deformable | None) -> nn.Sequential:
    planes = _PLANES[index]
    first = Bottleneck(in_channels, planes, architecture, stride=plan.stride,
                       pool=plan.pool and architecture.avd, dilation=plan.first_dilation,
                       norm=norm, deform=deform)
    others = [Bottleneck(planes * EXPANSION, planes, architecture, dilation=plan.dilation,
                         norm=norm, deform=deform)
              for _ in range(architecture.blocks[index] - 1)]
    return nn.Sequential(first, *others)


def _check_names(argument: str, names: Sequence[str], known: Sequence[str]) -> None:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise ResNeStValueError(f"{argument}={names!r}: give a list of names.")
    for name in names:
        if name not in known:
            raise ResNeStValueError(f"Unknown name {name!r} in {argument}. {near(name, known)}")
