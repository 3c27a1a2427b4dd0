"""Segmentor checkpoints of any origin under the names of a segmentor, or one clear error."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from resnest_dense.errors import ResNeStError
from resnest_dense.nn import ResNeSt
from resnest_dense.weights.identify import to_ours

__all__ = ["fit_checkpoint", "segmentor_names"]

# PyTorch-Encoding's name of a head's part, our name; the first row that fits decides.
_ENCODING_HEADS = (
    (r"head\.aspp\.b([0-3])\.0\.", r"decode_head.aspp_modules.\1.conv."),
    (r"head\.aspp\.b([0-3])\.1\.", r"decode_head.aspp_modules.\1.bn."),
    (r"head\.aspp\.b4\.gap\.1\.", "decode_head.pooled.conv."),
    (r"head\.aspp\.b4\.gap\.2\.", "decode_head.pooled.bn."),
    (r"head\.aspp\.project\.0\.", "decode_head.project.conv."),
    (r"head\.aspp\.project\.1\.", "decode_head.project.bn."),
    (r"head\.block\.0\.", "decode_head.fuse.conv."),
    (r"head\.block\.1\.", "decode_head.fuse.bn."),
    (r"head\.block\.4\.", "decode_head.conv_seg."),
    (r"head\.conv5\.0\.", "decode_head.convs.0.conv."),
    (r"head\.conv5\.1\.", "decode_head.convs.0.bn."),
    (r"head\.conv5\.4\.", "decode_head.conv_seg."),
    (r"auxlayer\.conv5\.0\.", "auxiliary_head.convs.0.conv."),
    (r"auxlayer\.conv5\.1\.", "auxiliary_head.convs.0.bn."),
    (r"auxlayer\.conv5\.4\.", "auxiliary_head.conv_seg."),
)
_CLASSIFIER = re.compile(r"\.conv_seg\.(weight|bias)$")


def segmentor_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a ResNeSt segmentor in any layout, under the names of one with ours.

    Raises:
        ResNeStError: it holds no ResNeSt, or more than one.
    """
    translation = to_ours(state, name="the checkpoint")
    # PyTorch-Encoding's segmentors keep the classifier of ImageNet.
    renamed = {f"backbone.{name}": tensor for name, tensor in translation.backbone.items()
               if not name.startswith("linear.")}
    for name, tensor in translation.rest.items():
        for pattern, ours in _ENCODING_HEADS:
            name, fits = re.subn(f"^{pattern}", ours, name)
            if fits:
                break
        renamed[name] = tensor
    return renamed


def fit_checkpoint(state: Mapping[str, Tensor],
                   model: nn.Module) -> tuple[dict[str, Tensor], list[str]]:
    """``state`` under the names of ``model``, and the classifiers that it has no weights for.

    Args:
        state: of a segmentor, in any layout.
        model: a segmentor of MMSegmentation.

    Raises:
        ResNeStError: weights of the model, beyond its classifiers, are not in ``state`` or have
            another shape there.
    """
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    if isinstance(getattr(model, "backbone", None), ResNeSt):
        state = segmentor_names(state)
    own = {name: tensor.shape for name, tensor in model.state_dict().items()
           if not name.endswith("num_batches_tracked")}
    unfit = [name for name, shape in own.items()
             if name not in state or state[name].shape != shape]
    classifiers = [name for name in unfit if _CLASSIFIER.search(name) and name in state]
    wrong = [name for name in unfit if name not in classifiers]
    if wrong:
        _refuse(wrong, own, state)
    return {name: tensor for name, tensor in state.items() if name not in classifiers}, classifiers


def _refuse(wrong, own, state):
    parts = {name.split(".")[0] for name in own}
    absent = sorted(part for part in parts
                    if not any(name.startswith(part + ".") for name in state))
    if absent == sorted(parts - {"backbone"}):
        raise ResNeStError(
            "The checkpoint holds a backbone only, and the heads would be random. Give it as "
            "model.backbone.init_cfg=dict(type=\"Pretrained\", checkpoint=...) to train from it."
        )
    name = wrong[0]
    there = f"has shape {tuple(state[name].shape)}" if name in state else "is missing"
    raise ResNeStError(
        f"The checkpoint is of another network: {len(wrong)} of the model's {len(own)} weights do "
        f"not fit, first {name} of shape {tuple(own[name])}, which {there} there. Use the config "
        "that it was trained with."
    )
